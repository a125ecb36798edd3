//! A first session as a user has it: `agentbus up` in a repository, and the commands of the README
//! in a second terminal. Real files, real processes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Output, Process, agentbus};

const QUESTION: &str =
    "MLOps context needed: team size, ML workloads, current infrastructure, pain points, compliance requirements, and growth projections.";

/// A repository with something to find in it, and agent files with invented figures in them.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let this = Self(folder);
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/roster/tests/fixtures/seeds");
        for seed in ["mlops-engineer.md", "devops_mlops_engineer.md"] {
            this.write(&format!(".claude/agents/{seed}"), &fs::read_to_string(seeds.join(seed)).expect("a seed"));
        }
        this.write("requirements.txt", "torch==2.4.0\nmlflow\n");
        this.write("Dockerfile", "FROM scratch\n");
        this.write(".github/workflows/ci.yml", "name: ci\non: push\njobs: {}\n");
        this.write("train.py", "print('training')\n");
        this.git(&["init", "--quiet"]);
        this.git(&["add", "."]);
        this.git(&["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "commit", "--quiet", "-m", "begin"]);
        this
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: &str) {
        let path: PathBuf = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    fn git(&self, args: &[&str]) {
        let output = Command::new("git").args(args).current_dir(self.path()).output().expect("git runs");
        assert!(output.status.success(), "git {args:?}: {output:?}");
    }

    /// Starts the bus, and returns when it says that it is up.
    fn up(&self) -> Process {
        let up = Process::start(agentbus(self.path()).arg("up"));
        let _ = up.says("Ctrl-C drains");
        up
    }

    fn run(&self, args: &[&str]) -> Output {
        Process::run(agentbus(self.path()).args(args))
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"))
    }

    fn ask(&self) -> Value {
        self.json(&["ask", "--json", "--from", "mlops-engineer", "--type", "get_mlops_context", QUESTION])
    }
}

fn topic<'a>(record: &'a Value, name: &str) -> &'a Value {
    let topics = record["answer"]["result"]["topics"].as_array().unwrap_or_else(|| panic!("no topics: {record:#}"));
    topics.iter().find(|topic| topic["topic"] == name).unwrap_or_else(|| panic!("no topic {name}: {record:#}"))
}

#[test]
fn a_first_session() {
    let repository = Repository::new();
    let up = repository.up();
    let said = up.stdout();
    assert!(said.contains("3 agents; 3 answer from facts only"), "{said}");

    let first = repository.ask();
    assert_eq!(first["state"], "completed", "{first:#}");
    assert_eq!(first["decision"]["agent"], "context-manager");
    assert_eq!(topic(&first, "team size")["status"], "evidence", "a number of committers is no team size: {first:#}");
    assert_eq!(topic(&first, "ML workloads")["status"], "evidence", "{first:#}");
    assert_eq!(topic(&first, "current infrastructure")["status"], "evidence", "{first:#}");
    let unknown: Vec<_> = first["answer"]["unknown"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert_eq!(unknown, ["pain points", "compliance requirements", "growth projections"]);
    for fact in first["answer"]["facts"].as_array().expect("facts") {
        assert!(
            ["source", "observed_by", "observed_at"].iter().all(|field| fact[field].as_str().is_some_and(|text| !text.is_empty())),
            "{fact:#}"
        );
    }
    let second = repository.ask();
    assert_ne!(first["id"], second["id"]);
    for part in ["result", "facts", "unknown", "delivery"] {
        assert_eq!(first["answer"][part], second["answer"][part], "two runs on the same facts give the same answer");
    }
    // The figures of the definition's examples are invented. None of them may come back.
    let all = serde_json::to_string(&[&first, &second]).expect("text");
    for invented in ["99.94", "23min", "23 minutes", "87%", "components_deployed", "automation_coverage", "Deployed 15"] {
        assert!(!all.contains(invented), "{invented} is made up");
    }

    assert_eq!(repository.run(&["context", "set", "team.size", "12", "--source", "staff list"]).code, Some(0));
    let reported =
        repository.run(&["progress", "--agent", "mlops-engineer", "--status", "building", "{\"growth_projections\": \"none yet\"}"]);
    assert_eq!(reported.code, Some(0), "{reported:?}");
    let third = repository.ask();
    assert_eq!(topic(&third, "team size")["status"], "known", "{third:#}");
    assert_eq!(topic(&third, "growth projections")["status"], "known", "{third:#}");
    let fact =
        third["answer"]["facts"].as_array().expect("facts").iter().find(|fact| fact["key"] == "team.size").expect("the size").clone();
    assert_eq!((&fact["value"], &fact["source"], &fact["observed_by"]), (&12.into(), &"staff list".into(), &"cli".into()));

    let id = third["id"].as_str().expect("an id");
    let history = repository.run(&["history", id]);
    assert!(["query", "assign", "accept", "answer"].iter().all(|kind| history.stdout.contains(kind)), "{history:?}");
    assert_eq!(repository.json(&["list", "--json"]).as_array().map(Vec::len), Some(3));
    let again = repository.json(&["ask", "--json", "--id", id]);
    assert_eq!(again["answer"], third["answer"], "the answer waits for whoever asks later");

    up.signal("TERM");
    let ended = up.finish();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let away = repository.run(&["list", "--nats", "nats://127.0.0.1:1"]);
    assert_eq!(away.code, Some(2), "{away:?}");
}

#[test]
fn a_bus_that_was_killed_goes_on_where_the_ledger_stands() {
    let repository = Repository::new();
    let up = repository.up();
    let id = repository.ask()["id"].as_str().expect("an id").to_owned();
    let before = repository.json(&["history", "--json", &id]);
    testkit::kill(up.pid());
    drop(up);

    let up = repository.up();
    assert_eq!(repository.json(&["history", "--json", &id]), before);
    assert_eq!(repository.ask()["state"], "completed");
    let second = repository.run(&["up"]);
    assert_eq!(second.code, Some(2));
    assert!(second.stderr.contains("already runs here"), "{second:?}");
    up.signal("INT");
    assert_eq!(up.finish().code, Some(0));
}

#[test]
fn parts_can_run_apart() {
    let repository = Repository::new();
    let up = repository.up();
    let said = up.stdout();
    let url = said.split_whitespace().find(|word| word.starts_with("nats://")).expect("the server's address").to_owned();
    let space = ["--nats", url.as_str(), "--space", "apart"];
    let coordinator = Process::start(agentbus(repository.path()).args(["serve", "coordinator"]).args(space));
    let _ = coordinator.says("serves the bus 'apart'");
    let agents = Process::start(agentbus(repository.path()).args(["serve", "agents"]).args(space));
    let _ = agents.says("3 agents");

    let asked =
        Process::run(agentbus(repository.path()).args(["ask", "--json", "--type", "get_project_context", "languages?"]).args(space));
    assert_eq!(asked.code, Some(0), "{asked:?}");
    assert_eq!(repository.json(&["list", "--json"]).as_array().map(Vec::len), Some(0), "two spaces do not meet");
    for part in [agents, coordinator, up] {
        part.signal("TERM");
        assert_eq!(part.finish().code, Some(0));
    }
}
