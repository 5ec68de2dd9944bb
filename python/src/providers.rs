//! What `Service(kms=...)` takes, as the KMS that envelope calls.
//!
//! | given | called |
//! | --- | --- |
//! | LocalKms, AwsKms | Rust, without the GIL |
//! | Routes | each of those that it has, by the ARN of the key |
//! | a boto3 client of KMS, or a function that makes one | itself, through `tablecrypt/_boto3.py`, with the GIL |
//! | an object with the five methods of `tablecrypt.Kms` | itself, with the GIL |

use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use envelope::KeyBox;
use envelope::core::Key;
use envelope::kms::{self, EncryptionContext, GeneratedKey, KeyMetadata, Kms, KmsError};
use pyo3::prelude::*;

use crate::aws_kms::AwsKms;
use crate::errors::not_picklable;
use crate::interpreter::with_python;
use crate::local_kms::LocalKms;
use crate::python_kms::{Failures, PythonKms};

/// The KMS that this object is.
pub(crate) fn provider(
    object: &Bound<'_, PyAny>,
    failures: &Arc<Failures>,
    principal: Option<&Arc<str>>,
) -> PyResult<Arc<dyn Kms>> {
    if let Ok(local) = object.cast::<LocalKms>() {
        return Ok(local.get().kms());
    }
    if let Ok(aws) = object.cast::<AwsKms>() {
        return Ok(aws.get().kms());
    }
    if let Ok(routes) = object.cast::<Routes>() {
        let (py, routes) = (object.py(), routes.get());
        let of = |kms: &Py<PyAny>| provider(kms.bind(py), failures, principal);
        let mut made = kms::Routes::new(of(&routes.home)?);
        for (arn, kms) in &routes.others {
            made = made.route(arn, of(kms)?);
        }
        return Ok(Arc::new(made));
    }
    let py = object.py();
    let adapted = py.import("tablecrypt._boto3")?.call_method1("adapt", (object,))?;
    Ok(Arc::new(PythonKms::new(&adapted, failures, principal)?))
}

/// Several KMSs behind one: keys whose ARN begins as one of `others` says are that one's; the longest beginning that fits
/// counts. All other calls, and those that name an alias or a bare id, go to `home`.
///
/// So a table can be under KMS keys of two regions: Routes(client, {"arn:aws:kms:us-east-1:": client_of_us_east_1}).
#[pyclass(frozen, module = "tablecrypt")]
#[derive(Debug)]
pub(crate) struct Routes {
    home: Py<PyAny>,
    others: BTreeMap<String, Py<PyAny>>,
}

#[pymethods]
impl Routes {
    #[new]
    const fn new(home: Py<PyAny>, others: BTreeMap<String, Py<PyAny>>) -> Self {
        Self { home, others }
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_picklable("Routes"))
    }

    fn __repr__(&self) -> String {
        format!("Routes(..., {:?})", self.others.keys().collect::<Vec<_>>())
    }
}

/// The KMS of a principal, which a function of the caller's gives when it is first needed. If the function raises, the KMS cannot
/// be reached, and the next call asks the function again.
pub(crate) struct OfPrincipal {
    pub(crate) kms_of: Arc<Py<PyAny>>,
    pub(crate) name: Arc<str>,
    pub(crate) failures: Arc<Failures>,
    pub(crate) kms: OnceLock<Arc<dyn Kms>>,
}

impl OfPrincipal {
    fn kms(&self) -> Result<&dyn Kms, KmsError> {
        if let Some(kms) = self.kms.get() {
            return Ok(&**kms);
        }
        let made = with_python(|py| {
            let made = self.kms_of.bind(py).call1((&*self.name,));
            let made = made.and_then(|object| provider(&object, &self.failures, Some(&self.name)));
            made.map_err(|error| self.failures.sort(py, (Some(&self.name), None), error))
        });
        let made = made.unwrap_or(Err(KmsError::Unreachable))?;
        Ok(&**self.kms.get_or_init(|| made))
    }
}

impl Kms for OfPrincipal {
    fn ensure_key(&self, alias: &str, description: &str) -> Result<KeyMetadata, KmsError> {
        self.kms()?.ensure_key(alias, description)
    }

    fn describe_key(&self, key: &str) -> Result<KeyMetadata, KmsError> {
        self.kms()?.describe_key(key)
    }

    fn generate_data_key(&self, key: &str, context: &EncryptionContext) -> Result<GeneratedKey, KmsError> {
        self.kms()?.generate_data_key(key, context)
    }

    fn decrypt(&self, key: &str, wrapped: &[u8], context: &EncryptionContext) -> Result<KeyBox<Key>, KmsError> {
        self.kms()?.decrypt(key, wrapped, context)
    }

    fn re_encrypt(
        &self,
        from: &str,
        wrapped: &[u8],
        context: &EncryptionContext,
        to: &str,
    ) -> Result<(String, Vec<u8>), KmsError> {
        self.kms()?.re_encrypt(from, wrapped, context, to)
    }
}

impl fmt::Debug for OfPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfPrincipal")
    }
}

/// Tells the audit log the KMS's id of a request: for a KMS in Python, which calls it on the thread of the request, before it
/// returns or raises.
#[pyfunction]
pub(crate) fn note_request(id: String) {
    kms::note_request(id);
}

/// A key's ARN as it is asked for in this region: that of a multi-Region key there, any other as it is.
#[pyfunction]
pub(crate) fn _key_in_region(key: &str, region: &str) -> String {
    kms::key_in_region(key, region)
}

/// Whether two ARNs name the same key; those of a multi-Region key do in every region.
#[pyfunction]
pub(crate) fn _same_key(a: &str, b: &str) -> bool {
    kms::same_key(a, b)
}
