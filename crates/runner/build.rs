//! Builds the step agent: one `rustc` call, static, without dependencies.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=agent");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("step-agent");
    let rustc = std::env::var_os("RUSTC").expect("cargo sets RUSTC");
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    let built = Command::new(rustc)
        .args(["--edition", "2024", "--crate-name", "step_agent", "--crate-type", "bin", "--target", &target])
        .args(["-C", "target-feature=+crt-static", "-C", "opt-level=3", "-C", "panic=abort"])
        .args(["-C", "strip=symbols", "-C", "codegen-units=1", "-D", "warnings"])
        .arg("agent/main.rs")
        .arg("-o")
        .arg(out)
        .status()
        .expect("rustc can be started");
    assert!(
        built.success(),
        "the step agent did not build for {target}; a static libc is needed (Debian: libc6-dev, Fedora: glibc-static)"
    );
}
