//! What deploy/ offers: the units are valid, the commands in them can be typed, and the server
//! takes its configuration.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use testkit::{Process, agentbus};

/// Where the units expect the programs.
const PROGRAMS: &str = "/usr/local/bin/";

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// The units and their drop-ins, by their path below deploy/systemd.
fn units() -> Vec<(PathBuf, String)> {
    let root = deploy().join("systemd");
    let (mut folders, mut units) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "service" || ending == "conf") {
                let text = fs::read_to_string(&path).expect("a unit");
                units.push((path.strip_prefix(&root).expect("below").to_owned(), text));
            }
        }
    }
    assert!(units.len() >= 5, "{units:?}");
    units
}

#[test]
fn the_commands_in_the_units_can_be_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut seen = 0;
    for (path, unit) in units() {
        let start = format!("ExecStart={PROGRAMS}agentbus ");
        for line in unit.lines().filter_map(|line| line.strip_prefix(&start)) {
            let line = line.replace("%i", "example").replace("%d", ".").replace("${AGENTBUS_WORKDIR}", ".");
            let output = Process::run(agentbus(folder.path()).args(line.split(' ')).arg("--help"));
            assert!(output.code == Some(0) && output.stdout.contains("Usage: agentbus serve"), "{}: {output:?}", path.display());
            seen += 1;
        }
    }
    assert_eq!(seen, 3, "coordinator, coordinator with credentials, agents");
}

#[test]
fn the_commands_in_the_operations_guide_can_be_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = agentbus(folder.path()).get_program().to_owned();
    let guide = fs::read_to_string(deploy().join("../docs/operations.md")).expect("the guide");
    let lines: Vec<_> = guide.lines().filter_map(|line| line.strip_prefix("    agentbus ")).collect();
    assert!(lines.len() >= 7, "{lines:?}");
    // Where the output goes is left out: it shall come here.
    for line in lines.into_iter().filter_map(|line| line.split(" >").next()) {
        let script = format!("exec \"$AGENTBUS\" {line} --help");
        let output = Process::run(Command::new("sh").args(["-c", &script]).env("AGENTBUS", &program));
        assert!(output.code == Some(0) && output.stdout.contains("Usage: agentbus "), "{line}: {output:?}");
    }
}

#[test]
fn the_commands_in_the_compose_file_can_be_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let compose = fs::read_to_string(deploy().join("../docker-compose.yml")).expect("the file");
    let lines = compose.lines().filter_map(|line| line.trim().strip_prefix("command: [serve, ")?.strip_suffix(']'));
    let commands: Vec<Vec<_>> = lines.map(|line| line.split(", ").map(|word| word.trim_matches('"')).collect()).collect();
    assert_eq!(commands.len(), 3, "two coordinators, agents: {commands:?}");
    for words in commands {
        let output = Process::run(agentbus(folder.path()).arg("serve").args(&words).arg("--help"));
        assert!(output.code == Some(0) && output.stdout.contains("Usage: agentbus serve"), "{words:?}: {output:?}");
    }
}

#[test]
fn systemd_finds_no_fault_in_the_units() {
    // Where there is no systemd, the commands in the units are still checked, above.
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    // The programs need not be where the units expect them on this machine.
    let program = std::env::current_exe().expect("a program");
    let mut names = Vec::new();
    for (path, unit) in units() {
        let to = folder.path().join(&path);
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        let unit = unit.replace(&format!("{PROGRAMS}agentbus"), &program.display().to_string());
        fs::write(&to, unit.replace(&format!("{PROGRAMS}nats-server"), &program.display().to_string())).expect("a unit");
        if path.extension().is_some_and(|ending| ending == "service") {
            names.push(folder.path().join(path.display().to_string().replace('@', "@example")));
        }
    }
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).args(names).env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()));
    let output = Process::run(&mut verify);
    assert!(output.code == Some(0) && output.stderr.is_empty(), "{output:?}");

    // A typing error must be seen, or the check proves nothing.
    let wrong = folder.path().join("wrong.service");
    fs::write(&wrong, "[Service]\nExecStart=/nonexistent/program\nProtectSytem=strict\n").expect("a unit");
    let output = Process::run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(wrong));
    assert!(output.stderr.contains("ProtectSytem"), "{output:?}");
}

#[tokio::test]
async fn a_server_takes_its_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let found = nats::server::Finder::from_env().find_or_fetch(|_| {}).await.expect("a nats-server");
    let text = fs::read_to_string(deploy().join("nats-server.conf")).expect("the example");
    fs::copy(deploy().join("permissions.conf"), folder.path().join("permissions.conf")).expect("a copy");
    let config = folder.path().join("nats-server.conf");
    fs::write(&config, text.replace("#include", "include")).expect("a file");
    let mut check = Command::new(found.path);
    check.arg("-t").arg("-c").arg(&config);
    for user in ["COORDINATOR", "ALICE", "SUMMARISER", "AGENT_HOST", "EDITOR", "CONSOLE", "KEEPER"] {
        check.env(format!("{user}_PASSWORD"), "secret");
    }
    let output = Process::run(&mut check);
    assert_eq!(output.code, Some(0), "{output:?}");
    let output = Process::run(check.env_remove("ALICE_PASSWORD"));
    assert_ne!(output.code, Some(0), "a user without a password is refused: {output:?}");
    let mut cluster = Command::new(check.get_program());
    let output = Process::run(cluster.env("NODE", "nats-1").arg("-t").arg("-c").arg(deploy().join("nats-cluster.conf")));
    assert_eq!(output.code, Some(0), "{output:?}");
}
