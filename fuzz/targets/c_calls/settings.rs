//! Services by their parts: a KMS, settings, a folder.

use tablecrypt_ffi::kms::*;
use tablecrypt_ffi::settings::*;

use super::administration::without_a_place;
use super::tables::{Kind, name, settle};
use super::*;

#[derive(Arbitrary, Debug)]
pub(super) enum Setting {
    Refresh(u32, u32),
    Jitter(u64),
    OutageGrace(u32),
    Drain(u32),
    Scope(i8),
    Subscriber(u8),
    DefaultKey(u8),
    Required(bool),
    Names(bool),
    RotateAfter(u64, u64, u64),
}

impl Setting {
    const fn function(&self) -> &'static str {
        match self {
            Self::Refresh(..) => "settings_refresh",
            Self::Jitter(_) => "settings_jitter",
            Self::OutageGrace(_) => "settings_outage_grace",
            Self::Drain(_) => "settings_drain",
            Self::Scope(_) => "settings_scope",
            Self::Subscriber(_) => "settings_subscriber",
            Self::DefaultKey(_) => "settings_default_key",
            Self::Required(_) => "settings_require_default_key",
            Self::Names(_) => "settings_names_in_log",
            Self::RotateAfter(..) => "settings_rotate_after",
        }
    }
}

impl Program {
    /// A service by its parts: a KMS, settings, a folder.
    pub(super) fn open_with(&mut self, folder: u8, settings: &[Setting], null_settings: bool, to: Option<u8>) {
        let (Some(path), true) = self.path(folder) else { return };
        let mut kms = without_a_place();
        // SAFETY: a string; a local variable.
        let status = unsafe { tablecrypt_kms_open_local(path.as_ptr(), &raw mut kms) };
        settle(&Expected::default(), status, &[Status::Io], "kms_open_local");
        let mut made = without_a_place();
        // SAFETY: a local variable.
        assert_eq!(unsafe { tablecrypt_settings_new(&raw mut made) }, Status::Ok);
        for setting in settings.iter().take(6) {
            // Now and then it has no handle.
            let to = if null_settings { null_mut() } else { made };
            let (is_good, status) = set(to, setting);
            let expected = if null_settings { Status::NullArgument } else { is_good };
            assert!(status == expected || (null_settings && status != Status::Ok), "{setting:?}: {status:?}");
            answered(setting.function(), status);
        }
        let given = if null_settings { null() } else { made.cast_const() };
        let status = give(&mut self.services, to, tablecrypt_service_free, |service| {
            // SAFETY: NULL or handles; a string; NULL or a slot.
            unsafe { tablecrypt_service_open(kms, path.as_ptr(), given, service) }
        });
        let expected = Expected::default().when(to.is_none() || kms.is_null(), Status::NullArgument);
        settle(&expected, status, &[Status::Io], "service_open");
        // SAFETY: it was given, or NULL, and is forgotten.
        unsafe { tablecrypt_settings_free(made) };
        // SAFETY: as above.
        unsafe { tablecrypt_kms_free(kms) };
    }
}

/// What the header says of a setting, and what the library says.
fn set(to: *mut Settings, setting: &Setting) -> (Status, Status) {
    const DAY: u64 = 86_400_000;
    let good = |is_good: bool| if is_good { Status::Ok } else { Status::InvalidSetting };
    let text = |index: u8| {
        let (text, kind) = name(index);
        let expected = match kind {
            Kind::Null => Status::NullArgument,
            Kind::NotUtf8 => Status::InvalidUtf8,
            _ => Status::Ok,
        };
        (text, expected)
    };
    match *setting {
        Setting::Refresh(every, within) => {
            let is_good = [every, within].iter().all(|time| (1..=DAY).contains(&u64::from(*time)));
            // SAFETY: NULL or a handle.
            (good(is_good), unsafe { tablecrypt_settings_refresh(to, every.into(), within.into()) })
        }
        // SAFETY: as above.
        Setting::Jitter(jitter) => (Status::Ok, unsafe { tablecrypt_settings_jitter(to, jitter) }),
        Setting::OutageGrace(grace) => {
            // SAFETY: as above.
            (good(u64::from(grace) <= DAY / 2), unsafe { tablecrypt_settings_outage_grace(to, grace.into()) })
        }
        Setting::Drain(drain) => {
            // SAFETY: as above.
            (good(drain <= 3_600_000), unsafe { tablecrypt_settings_drain(to, drain.into()) })
        }
        Setting::Scope(scope) => {
            // SAFETY: as above.
            (good((0..3).contains(&scope)), unsafe { tablecrypt_settings_scope(to, scope.into()) })
        }
        Setting::Subscriber(index) => {
            let (text, expected) = text(index);
            // SAFETY: as above; NULL or a string.
            (expected, unsafe { tablecrypt_settings_subscriber(to, text) })
        }
        Setting::DefaultKey(index) => {
            let (text, expected) = text(index);
            // SAFETY: as above.
            (expected, unsafe { tablecrypt_settings_default_key(to, text) })
        }
        // SAFETY: as above.
        Setting::Required(is) => (Status::Ok, unsafe { tablecrypt_settings_require_default_key(to, is.into()) }),
        // SAFETY: as above.
        Setting::Names(shown) => (Status::Ok, unsafe { tablecrypt_settings_names_in_log(to, shown.into()) }),
        Setting::RotateAfter(age, records, bytes) => {
            // SAFETY: as above.
            let status = unsafe { tablecrypt_settings_rotate_after(to, age, records, bytes) };
            (if status == Status::InvalidSetting { status } else { Status::Ok }, status)
        }
    }
}
