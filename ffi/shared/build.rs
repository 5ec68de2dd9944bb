//! Link options of the shared library.

use std::env;
use std::path::PathBuf;

/// As `tablecrypt_abi` says: programs that were linked with one interface never find a library of another.
const SONAME: &str = "libtablecrypt.so.1";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|os| os == "linux") {
        // The timer's and the refreshing threads run in it: dlclose() by an engine must not take their code away.
        println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
        println!("cargo::rustc-link-arg-cdylib=-Wl,-soname,{SONAME}");
        name_in_target();
    }
}

/// Programs that are linked in Cargo's folder, as tests are, find the library there under its SONAME.
fn name_in_target() {
    let out = env::var_os("OUT_DIR").map(PathBuf::from);
    if let Some(folder) = out.as_ref().and_then(|out| out.ancestors().nth(3)) {
        // Where it is there already, or Cargo's folders lie otherwise, there is nothing to do: admin/install makes its own.
        #[cfg(unix)]
        let _ = std::os::unix::fs::symlink("libtablecrypt.so", folder.join(SONAME));
    }
}
