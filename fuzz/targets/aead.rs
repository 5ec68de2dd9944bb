//! All backends of this CPU against each other and against RustCrypto: any key, nonce, AAD, text, place and batch. What was
//! sealed opens; what was changed is refused and cleared.

#![no_main]

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::aead::consts::{U1, U4, U8, U11, U12, U13, U15, U16, U17, U24, U32, U60, U64, U128};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, array::Array};
use aes_gcm::{AesGcm, aes::Aes256};
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tablecrypt::core::hazmat::{open_any_nonce, seal_any_nonce};
use tablecrypt::core::{
    Aes256Gcm, Backend, Error, Key, Nonce, OpenMessage, SealMessage, Tag, XNonce, Xaes256Gcm, open_many, seal_many,
};
use tablecrypt_fuzz::{Few, Place, Text, is_clear, planted};

#[derive(Arbitrary, Debug)]
struct Input {
    key: [u8; 32],
    nonce: Nonce,
    aad: Few,
    text: Text,
    shifts: [u8; 2],
    change: Change,
    long_nonce: (u8, [u8; 16]),
    rest: [u8; 12],
    keys: [[u8; 32]; 2],
    batch: Vec<Message>,
}

/// One message of a batch: which key and backend, and whether it is changed before it is opened.
#[derive(Arbitrary, Clone, Debug)]
struct Message {
    key: u8,
    backend: u8,
    nonce: Nonce,
    aad: Few,
    text: Text,
    shift: u8,
    changed: Option<u16>,
}

/// One difference between what was sealed and what is opened.
#[derive(Arbitrary, Debug)]
enum Change {
    Text(u16),
    Tag(u8),
    Aad(u16),
    Nonce(u8),
    Key(u8),
    LongerAad,
    LongerText,
    ShorterText,
}

fuzz_target!(|given: Input| {
    let mut input = given;
    // What is interleaved is shorter, and a batch more than a group of 64.
    input.batch.truncate(70);
    input.batch.iter_mut().for_each(|message| message.text.0.truncate(200));
    let backends: Vec<Backend> = Backend::ALL.iter().copied().filter(|backend| backend.is_available()).collect();
    let (sealed, tag) = rival::<U12>(&input.key, &input.nonce, &input.aad.0, &input.text.0);
    for backend in &backends {
        one(*backend, &input, &sealed, &tag);
        any_nonce(*backend, &input);
        xaes(*backend, &input);
    }
    batch(&backends, &input);
});

fn one(backend: Backend, input: &Input, sealed: &[u8], tag: &Tag) {
    let (Few(aad), Text(text)) = (&input.aad, &input.text);
    let [from, to] = input.shifts;
    let cipher = Aes256Gcm::on(backend, &Key::from(input.key)).expect("an available backend");
    let aad = Place::new(to ^ from, aad);

    // From one place to another, tag apart.
    let (plain, mut out) = (Place::new(from, text), Place::blank(to, text.len()));
    let mut found = cipher.seal_detached(&input.nonce, aad.get(), plain.get(), out.get_mut()).expect("within limits");
    if planted() && backend != Backend::Portable && text.len() > 100 && text.len() % 16 == 13 {
        // A wrong mask for the last bytes.
        out.get_mut()[text.len() - 1] ^= 1;
        found[0] ^= 1;
    }
    assert!(out.get() == sealed && found == *tag, "{backend:?}: another ciphertext or tag than RustCrypto");
    let mut opened = Place::blank(from, text.len());
    assert_eq!(cipher.open_detached(&input.nonce, aad.get(), out.get(), tag, opened.get_mut()), Ok(()), "{backend:?}");
    assert!(opened.get() == text, "{backend:?}: another text came back");

    // In place.
    let mut place = Place::new(to, text);
    let found = cipher.seal_in_place(&input.nonce, aad.get(), place.get_mut()).expect("within limits");
    assert!(place.get() == sealed && found == *tag, "{backend:?}: another answer in place");

    // Tag attached.
    let mut whole = Place::blank(from, text.len() + tag.len());
    cipher.seal(&input.nonce, aad.get(), text, whole.get_mut()).expect("a tag longer");
    assert!(whole.get() == [sealed, tag].concat(), "{backend:?}: another answer with the tag attached");

    let (mut key, mut nonce, mut aad, mut tag) = (input.key, input.nonce, input.aad.0.clone(), *tag);
    let mut bytes = sealed.to_vec();
    match input.change {
        Change::Text(bit) if !bytes.is_empty() => flip(&mut bytes, bit),
        Change::Aad(bit) if !aad.is_empty() => flip(&mut aad, bit),
        Change::Nonce(bit) => flip(&mut nonce, bit.into()),
        Change::Key(bit) => flip(&mut key, bit.into()),
        Change::LongerAad => aad.push(0),
        Change::LongerText => bytes.push(0),
        Change::ShorterText if !bytes.is_empty() => bytes.truncate(bytes.len() - 1),
        Change::Tag(bit) => flip(&mut tag, bit.into()),
        _ => flip(&mut tag, 0),
    }
    let cipher = Aes256Gcm::on(backend, &Key::from(key)).expect("an available backend");
    let (bytes, mut out) = (Place::new(from, &bytes), Place::blank(to, bytes.len()));
    let verdict = cipher.open_detached(&nonce, &aad, bytes.get(), &tag, out.get_mut());
    assert_eq!(verdict, Err(Error::Unauthentic), "{backend:?}: {:?} went through", input.change);
    assert!(is_clear(out.get()), "{backend:?}: the output is not cleared");
    let mut place = bytes;
    assert_eq!(cipher.open_in_place(&nonce, &aad, place.get_mut(), &tag), Err(Error::Unauthentic), "{backend:?}");
    assert!(is_clear(place.get()), "{backend:?}: the place is not cleared");
}

/// The counter may start anywhere, and wrap, where the nonce has not 96 bits.
fn any_nonce(backend: Backend, input: &Input) {
    type Rival = fn(&[u8; 32], &[u8], &[u8], &[u8]) -> (Vec<u8>, Tag);
    const RIVALS: [(usize, Rival); 14] = [
        (1, rival::<U1>),
        (4, rival::<U4>),
        (8, rival::<U8>),
        (11, rival::<U11>),
        (12, rival::<U12>),
        (13, rival::<U13>),
        (15, rival::<U15>),
        (16, rival::<U16>),
        (17, rival::<U17>),
        (24, rival::<U24>),
        (32, rival::<U32>),
        (60, rival::<U60>),
        (64, rival::<U64>),
        (128, rival::<U128>),
    ];
    let (choice, bytes) = &input.long_nonce;
    let (length, rival) = RIVALS[usize::from(*choice) % RIVALS.len()];
    let nonce: Vec<u8> = bytes.iter().copied().cycle().take(length).collect();
    let text = &input.text.0[..input.text.0.len().min(1500)];
    let (sealed, tag) = rival(&input.key, &nonce, &input.aad.0, text);
    let cipher = Aes256Gcm::on(backend, &Key::from(input.key)).expect("an available backend");
    let mut place = Place::new(input.shifts[0], text);
    let found = seal_any_nonce(&cipher, &nonce, &input.aad.0, place.get_mut()).expect("within limits");
    assert!(place.get() == sealed && found == tag, "{backend:?}: a nonce of {length} bytes");
    assert_eq!(open_any_nonce(&cipher, &nonce, &input.aad.0, place.get_mut(), &tag), Ok(()));
    assert!(place.get() == text, "{backend:?}: a nonce of {length} bytes: another text came back");
}

/// XAES-256-GCM, from its specification: the key of a prefix is two blocks of AES under a masked counter.
fn xaes(backend: Backend, input: &Input) {
    let nonce: XNonce = [input.nonce, input.rest].concat().try_into().expect("24 bytes");
    let aes = Aes256::new(&input.key.into());
    let mut l = Array::from([0; 16]);
    aes.encrypt_block(&mut l);
    let l = u128::from_be_bytes(l.into());
    let k1 = (l << 1) ^ if l >> 127 == 1 { 0x87 } else { 0 };
    let mut derived = [0; 32];
    for (half, counter) in derived.chunks_exact_mut(16).zip(1..) {
        let mut block = [0; 16];
        block[..4].copy_from_slice(&[0, counter, b'X', 0]);
        block[4..].copy_from_slice(&input.nonce);
        let mut block = Array::from((u128::from_be_bytes(block) ^ k1).to_be_bytes());
        aes.encrypt_block(&mut block);
        half.copy_from_slice(&block);
    }
    let text = &input.text.0[..input.text.0.len().min(600)];
    let (sealed, tag) = rival::<U12>(&derived, &input.rest, &input.aad.0, text);
    let cipher = Xaes256Gcm::on(backend, &Key::from(input.key)).expect("an available backend");
    let mut place = Place::new(input.shifts[1], text);
    let found = cipher.seal_in_place(&nonce, &input.aad.0, place.get_mut()).expect("within limits");
    assert!(place.get() == sealed && found == tag, "{backend:?}: XAES");
    assert_eq!(cipher.open_in_place(&nonce, &input.aad.0, place.get_mut(), &tag), Ok(()), "{backend:?}: XAES");
    assert!(place.get() == text, "{backend:?}: XAES: another text came back");
}

fn batch(backends: &[Backend], input: &Input) {
    let messages = &input.batch;
    let expected: Vec<_> = messages
        .iter()
        .map(|message| {
            rival::<U12>(&input.keys[usize::from(message.key % 2)], &message.nonce, &message.aad.0, &message.text.0)
        })
        .collect();
    // One key and backend for all messages, then each its own.
    for backend in backends {
        let keys = input.keys.map(|key| Aes256Gcm::on(*backend, &Key::from(key)).expect("an available backend"));
        let all: Vec<&Aes256Gcm> = messages.iter().map(|message| &keys[usize::from(message.key % 2)]).collect();
        many(messages, &expected, &all);
        for (key, cipher) in (0..).zip(&keys) {
            of_one_key(messages, &expected, key, cipher);
        }
    }
    let ciphers: Vec<Aes256Gcm> = messages
        .iter()
        .map(|message| {
            let backend = backends[usize::from(message.backend) % backends.len()];
            Aes256Gcm::on(backend, &Key::from(input.keys[usize::from(message.key % 2)])).expect("an available backend")
        })
        .collect();
    many(messages, &expected, &ciphers.iter().collect::<Vec<_>>());
}

/// A batch under several keys.
fn many(messages: &[Message], expected: &[(Vec<u8>, Tag)], ciphers: &[&Aes256Gcm]) {
    let mut places: Vec<Place> = messages.iter().map(|message| Place::new(message.shift, &message.text.0)).collect();
    let mut batch: Vec<_> = messages
        .iter()
        .zip(&mut places)
        .zip(ciphers)
        .map(|((message, place), cipher)| {
            (*cipher, SealMessage { nonce: message.nonce, aad: &message.aad.0, text: place.get_mut(), tag: [0; 16] })
        })
        .collect();
    seal_many(&mut batch).expect("within limits");
    let tags: Vec<Tag> = batch.iter().map(|(_, message)| message.tag).collect();
    sealed_as(expected, &places, &tags);
    let mut batch: Vec<_> =
        changed(messages, &mut places, &tags).zip(ciphers).map(|(message, cipher)| (*cipher, message)).collect();
    open_many(&mut batch);
    let verdicts: Vec<_> = batch.iter().map(|(_, message)| message.verdict).collect();
    opened_as(messages, &places, &verdicts);
}

/// The messages of one key, by the calls that take one.
fn of_one_key(messages: &[Message], expected: &[(Vec<u8>, Tag)], key: u8, cipher: &Aes256Gcm) {
    let (messages, expected): (Vec<Message>, Vec<_>) =
        messages.iter().cloned().zip(expected.iter().cloned()).filter(|(message, _)| message.key % 2 == key).unzip();
    let mut places: Vec<Place> = messages.iter().map(|message| Place::new(message.shift, &message.text.0)).collect();
    let mut batch: Vec<_> = messages
        .iter()
        .zip(&mut places)
        .map(|(message, place)| SealMessage {
            nonce: message.nonce,
            aad: &message.aad.0,
            text: place.get_mut(),
            tag: [0; 16],
        })
        .collect();
    cipher.seal_many(&mut batch).expect("within limits");
    let tags: Vec<Tag> = batch.iter().map(|message| message.tag).collect();
    sealed_as(&expected, &places, &tags);
    let mut batch: Vec<_> = changed(&messages, &mut places, &tags).collect();
    cipher.open_many(&mut batch);
    let verdicts: Vec<_> = batch.iter().map(|message| message.verdict).collect();
    opened_as(&messages, &places, &verdicts);
}

fn sealed_as(expected: &[(Vec<u8>, Tag)], places: &[Place], tags: &[Tag]) {
    for (index, ((sealed, tag), (place, found))) in expected.iter().zip(places.iter().zip(tags)).enumerate() {
        assert!(place.get() == sealed && found == tag, "message {index} of {}", expected.len());
    }
}

/// The messages to open, some of them changed.
fn changed<'a>(
    messages: &'a [Message],
    places: &'a mut [Place],
    tags: &'a [Tag],
) -> impl Iterator<Item = OpenMessage<'a>> {
    messages.iter().zip(places.iter_mut().zip(tags)).map(|(message, (place, tag))| {
        let (text, mut tag) = (place.get_mut(), *tag);
        match message.changed {
            Some(bit) if bit % 2 == 0 && !text.is_empty() => flip(text, bit / 2),
            Some(bit) => flip(&mut tag, bit / 2),
            None => {}
        }
        OpenMessage::new(message.nonce, &message.aad.0, text, tag)
    })
}

fn opened_as(messages: &[Message], places: &[Place], verdicts: &[Result<(), Error>]) {
    for (index, (message, (place, verdict))) in messages.iter().zip(places.iter().zip(verdicts)).enumerate() {
        if message.changed.is_some() {
            assert_eq!(*verdict, Err(Error::Unauthentic), "message {index} of {}", messages.len());
            assert!(is_clear(place.get()), "message {index} of {}: not cleared", messages.len());
        } else {
            assert_eq!(*verdict, Ok(()), "message {index} of {}", messages.len());
            assert!(place.get() == message.text.0, "message {index} of {}: another text", messages.len());
        }
    }
}

fn flip(bytes: &mut [u8], bit: u16) {
    let bit = usize::from(bit) % (8 * bytes.len());
    bytes[bit / 8] ^= 1 << (bit % 8);
}

/// RustCrypto's ciphertext and tag.
fn rival<N: aes_gcm::aead::array::ArraySize>(key: &[u8; 32], nonce: &[u8], aad: &[u8], text: &[u8]) -> (Vec<u8>, Tag) {
    let cipher = AesGcm::<Aes256, N>::new(&Array::from(*key));
    let nonce: &Array<u8, N> = nonce.try_into().expect("a nonce of this length");
    let mut sealed = text.to_vec();
    let tag = cipher.encrypt_inout_detached(nonce, aad, InOutBuf::from(&mut sealed[..])).expect("within limits");
    (sealed, tag.into())
}
