//! `AESGCM`: AES-256-GCM as `cryptography` has it, for 256-bit keys.
//!
//! What differs is listed in `python/tests/test_aesgcm_both.py` and in `python/tests/upstream/differences.toml`; why, in docs/decisions/0025. Its keys
//! are in ordinary memory, unlike those of a structure: a forked child goes on with them, as with cryptography's.

use envelope::core::hazmat::{open_any_nonce, seal_any_nonce};
use envelope::core::{Aes256Gcm, Backend, Error, KEY, Key, TAG, TEXT_LIMIT};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::buffers::{Input, Output, Text, new_bytes, write_into};
use crate::errors::{Failure, not_picklable};

/// AES-256-GCM with the interface of cryptography's AESGCM, for 256-bit keys only.
///
/// A nonce is 8 to 128 bytes, 12 unless a format dictates another length, and must never be used twice under one key.
/// InvalidTag is caught as cryptography's too. Differences: decrypt_into leaves zeros after InvalidTag; an output that
/// overlaps an input raises Overlap, a ValueError, unless it begins where the data begins; texts may be longer than 2 GiB.
#[pyclass(frozen, name = "AESGCM", module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct AesGcm {
    // In a box, for Python aligns its objects to 16 bytes and an expanded key asks for more.
    cipher: Box<Aes256Gcm>,
}

const _: () = assert!(align_of::<AesGcm>() <= 16, "Python would misplace it");

#[pymethods]
impl AesGcm {
    #[new]
    #[pyo3(signature = (key))]
    fn new(py: Python<'_>, key: Input<'_>) -> PyResult<Self> {
        Ok(Self { cipher: Box::new(Aes256Gcm::new(&copy_of(py, &key)?)) })
    }

    /// The same on this backend, one of tablecrypt.backends(). Raises ValueError where the CPU or the build lacks it.
    #[staticmethod]
    fn on(py: Python<'_>, backend: &str, key: Input<'_>) -> PyResult<Self> {
        let key = copy_of(py, &key)?;
        let named = Backend::ALL.iter().find(|known| known.name() == backend);
        let cipher = named.and_then(|backend| Aes256Gcm::on(*backend, &key));
        let cipher =
            cipher.ok_or_else(|| PyValueError::new_err("no such backend here; tablecrypt.backends() has those"))?;
        Ok(Self { cipher: Box::new(cipher) })
    }

    /// The backend that the key was expanded for: the first of tablecrypt.backends(), unless `on` named one.
    #[getter]
    fn backend(&self) -> &'static str {
        self.cipher.backend().name()
    }

    /// A new random key of `bit_length` bits: 256 and no other. Raises ValueError, NoRandom.
    #[staticmethod]
    #[pyo3(signature = (bit_length = 256))]
    fn generate_key(py: Python<'_>, bit_length: usize) -> PyResult<Bound<'_, PyBytes>> {
        if bit_length != 8 * KEY {
            let what = "bit_length must be 256: tablecrypt has AES-256 and no smaller key";
            return Err(PyValueError::new_err(what));
        }
        let random =
            |bytes: &mut [u8]| getrandom::fill(bytes).map(|()| bytes.len()).map_err(|_| envelope::Error::NoRandom);
        new_bytes(py, [], KEY, |[], key| random(key))
    }

    /// The ciphertext of `data`, and its tag of 16 bytes behind it.
    ///
    /// Raises ValueError for a nonce of another length, TooLong.
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: Input<'py>,
        data: Input<'py>,
        associated_data: Option<Input<'py>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        check_nonce(&nonce)?;
        let aad = associated_data.unwrap_or(Input::NOTHING);
        new_bytes(py, [&nonce, &aad, &data], sealed_length(&data)?, |[nonce, aad, data], out| {
            self.seal(nonce, aad, Text::Apart(data), out)
        })
    }

    /// The text of `data`, a ciphertext with its tag behind it.
    ///
    /// Raises InvalidTag; ValueError for a nonce of another length, TooLong.
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: Input<'py>,
        data: Input<'py>,
        associated_data: Option<Input<'py>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        check_nonce(&nonce)?;
        let aad = associated_data.unwrap_or(Input::NOTHING);
        new_bytes(py, [&nonce, &aad, &data], opened_length(&data)?, |[nonce, aad, data], out| {
            self.open(nonce, aad, Text::Apart(data), out)
        })
    }

    /// As `encrypt`, into `buf`, which is 16 bytes longer than `data` and may begin where it begins. Gives the length of
    /// `buf`. Holds the GIL.
    fn encrypt_into<'py>(
        &self,
        py: Python<'py>,
        nonce: Input<'py>,
        data: Input<'py>,
        associated_data: Option<Input<'py>>,
        buf: Output,
    ) -> PyResult<usize> {
        check_nonce(&nonce)?;
        let aad = associated_data.unwrap_or(Input::NOTHING);
        let length = sealed_length(&data)?;
        check_output(&buf, length)?;
        write_into(py, [&nonce, &aad], &data, &buf, length, |[nonce, aad], data, out| self.seal(nonce, aad, data, out))
            .map_err(Failure::from)??;
        Ok(length)
    }

    /// As `decrypt`, into `buf`, which is 16 bytes shorter than `data` and may begin where it begins. Gives the length of
    /// `buf`, which is zeros after InvalidTag. Holds the GIL.
    fn decrypt_into<'py>(
        &self,
        py: Python<'py>,
        nonce: Input<'py>,
        data: Input<'py>,
        associated_data: Option<Input<'py>>,
        buf: Output,
    ) -> PyResult<usize> {
        check_nonce(&nonce)?;
        let aad = associated_data.unwrap_or(Input::NOTHING);
        let length = opened_length(&data)?;
        check_output(&buf, length)?;
        write_into(py, [&nonce, &aad], &data, &buf, length, |[nonce, aad], data, out| self.open(nonce, aad, data, out))
            .map_err(Failure::from)??;
        Ok(length)
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_picklable("AESGCM"))
    }

    fn __repr__(&self) -> &'static str {
        "AESGCM(...)"
    }
}

impl AesGcm {
    fn seal(&self, nonce: &[u8], aad: &[u8], data: Text<'_>, out: &mut [u8]) -> Result<usize, Failure> {
        let length = out.len();
        let (out, tag) = out.split_last_chunk_mut::<TAG>().ok_or(Error::OutputLength)?;
        *tag = match (data, nonce.try_into()) {
            (Text::Apart(data), Ok(nonce)) => self.cipher.seal_detached(nonce, aad, data, out)?,
            (Text::InPlace { .. }, Ok(nonce)) => self.cipher.seal_in_place(nonce, aad, out)?,
            (Text::Apart(data), Err(_)) => {
                out.copy_from_slice(data);
                seal_any_nonce(&self.cipher, nonce, aad, out)?
            }
            (Text::InPlace { .. }, Err(_)) => seal_any_nonce(&self.cipher, nonce, aad, out)?,
        };
        Ok(length)
    }

    fn open(&self, nonce: &[u8], aad: &[u8], data: Text<'_>, out: &mut [u8]) -> Result<usize, Failure> {
        match data {
            Text::Apart(data) => {
                let (text, tag) = data.split_last_chunk::<TAG>().ok_or(Error::Truncated)?;
                if let Ok(nonce) = nonce.try_into() {
                    self.cipher.open_detached(nonce, aad, text, tag, out)?;
                } else {
                    out.copy_from_slice(text);
                    open_any_nonce(&self.cipher, nonce, aad, out, tag)?;
                }
            }
            Text::InPlace { behind } => {
                let tag = behind.try_into().map_err(|_| Error::Truncated)?;
                match nonce.try_into() {
                    Ok(nonce) => self.cipher.open_in_place(nonce, aad, out, tag)?,
                    Err(_) => open_any_nonce(&self.cipher, nonce, aad, out, tag)?,
                }
            }
        }
        Ok(out.len())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::TooLong => Self::Hierarchy(envelope::Error::TooLong),
            _ => Self::InvalidTag,
        }
    }
}

/// Before memory is taken for the answer.
fn sealed_length(data: &Input<'_>) -> Result<usize, Failure> {
    check_length(data.len())?;
    Ok(data.len() + TAG)
}

/// What is shorter than a tag has a wrong one.
fn opened_length(data: &Input<'_>) -> Result<usize, Failure> {
    let length = data.len().checked_sub(TAG).ok_or(Failure::InvalidTag)?;
    check_length(length)?;
    Ok(length)
}

fn check_length(text: usize) -> Result<(), Failure> {
    let within = u64::try_from(text).is_ok_and(|text| text <= TEXT_LIMIT);
    if within { Ok(()) } else { Err(Failure::Hierarchy(envelope::Error::TooLong)) }
}

fn check_nonce(nonce: &Input<'_>) -> PyResult<()> {
    if (8..=128).contains(&nonce.len()) {
        Ok(())
    } else {
        Err(PyValueError::new_err("nonce must be between 8 and 128 bytes"))
    }
}

fn check_output(buf: &Output, length: usize) -> PyResult<()> {
    if buf.len() == length { Ok(()) } else { Err(PyValueError::new_err(format!("buffer must be {length} bytes"))) }
}

fn copy_of<'py>(py: Python<'py>, key: &Input<'py>) -> PyResult<Key> {
    Key::fill_with(|copy| if key.to_array(py, copy) { Ok(()) } else { Err(wrong_key()) })
}

fn wrong_key() -> PyErr {
    PyValueError::new_err(
        "an AESGCM key must be 256 bits, which is 32 bytes: tablecrypt has AES-256 and no smaller key",
    )
}
