//! The binary itself. This test also makes cargo build it, for the acceptance tests that run it
//! as a process.

use std::process::Command;

#[test]
fn it_says_which_version_it_is() {
    let output = Command::new(env!("CARGO_BIN_EXE_agentbus")).arg("--version").output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("agentbus {}\n", env!("CARGO_PKG_VERSION")));
    assert!(output.status.success());
}
