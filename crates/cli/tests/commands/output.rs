//! Where output goes when it cannot go where it should.

use crate::{bus::RunningBus, case::Folder};

#[test]
fn lost_output_is_a_failure_and_a_reader_that_has_gone_is_none() {
    let folder = Folder::new("output");
    folder.case_with("a_full_disk", &["schema"], "> /dev/full");
    folder.case_with("a_full_disk_for_the_help", &["--help"], "> /dev/full");
    folder.case_with("a_full_disk_for_json", &["schema", "--json"], "> /dev/full");

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let gone = folder.command(&["completions", "bash"]).stdout(writer).stderr(std::process::Stdio::piped()).output().expect("it runs");
    assert_eq!((gone.status.code(), gone.stderr.as_slice()), (Some(0), b"".as_slice()), "{gone:?}");
}

#[test]
fn a_bus_is_found_from_below() {
    let bus = RunningBus::start("output");
    bus.write("deep/down/here", "");
    let mut below = bus.command(&["context", "list", "--json"]);
    let output = testkit::Process::run(below.current_dir(bus.path().join("deep/down")));
    assert_eq!((output.stdout.trim(), output.code), ("[]", Some(0)), "{output:?}");
}
