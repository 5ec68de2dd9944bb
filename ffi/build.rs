//! Link options of the shared library.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|os| os == "linux") {
        // The timer's and the refreshing threads run in it: dlclose() by an engine must not take their code away.
        println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
    }
}
