//! The names of the packages that a manifest depends on.
//!
//! Owns one reading for each kind of manifest. Only direct dependencies count; versions, markers
//! and sources are left aside.

use serde_json::Value;

use super::yaml;

/// Whose package names a manifest uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ecosystem {
    /// Rust crates.
    Cargo,
    /// JavaScript packages.
    Npm,
    /// Python packages, of pip and conda.
    Python,
    /// Go modules.
    Go,
    /// Maven artifacts.
    Maven,
}

/// The names of a manifest's dependencies, as written.
///
/// # Errors
/// Why the manifest cannot be read, in words.
pub(super) fn dependencies(ecosystem: Ecosystem, file: &str, text: &str) -> Result<Vec<String>, String> {
    match (ecosystem, file) {
        (Ecosystem::Cargo, _) => Ok(cargo(&toml(text)?)),
        (Ecosystem::Npm, _) => Ok(npm(&serde_json::from_str(text).map_err(|error| error.to_string())?)),
        (Ecosystem::Python, "pyproject.toml") => Ok(pyproject(&toml(text)?)),
        (Ecosystem::Python, "Pipfile") => Ok(tables(&toml(text)?, &["packages", "dev-packages"])),
        (Ecosystem::Python, "environment.yml" | "environment.yaml") => Ok(yaml::documents(text)?.iter().flat_map(conda).collect()),
        (Ecosystem::Python, _) => Ok(text.lines().filter_map(requirement).collect()),
        (Ecosystem::Go, _) => Ok(text.lines().filter_map(go_module).collect()),
        (Ecosystem::Maven, _) => Ok(text.lines().filter_map(artifact).collect()),
    }
}

fn toml(text: &str) -> Result<Value, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| format!("not TOML: {}", error.message()))
}

/// The keys of the named tables of a table.
fn tables(value: &Value, names: &[&str]) -> Vec<String> {
    names.iter().filter_map(|name| value.get(name)?.as_object()).flat_map(|table| table.keys().cloned()).collect()
}

fn cargo(manifest: &Value) -> Vec<String> {
    const TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = manifest.get("target").and_then(Value::as_object).into_iter().flat_map(serde_json::Map::values);
    let scopes = targets.chain(manifest.get("workspace")).chain([manifest]);
    let entries = scopes.flat_map(|scope| TABLES.iter().filter_map(|name| scope.get(name)?.as_object())).flatten();
    // A dependency may go by another name than its package.
    let package = |(name, entry): (&String, &Value)| entry.get("package").and_then(Value::as_str).unwrap_or(name).to_owned();
    entries.map(package).collect()
}

fn npm(manifest: &Value) -> Vec<String> {
    tables(manifest, &["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"])
}

fn pyproject(manifest: &Value) -> Vec<String> {
    let list = |pointer: &str| manifest.pointer(pointer).cloned().unwrap_or_default();
    let groups = ["/project/optional-dependencies", "/dependency-groups"].map(list);
    let lists = groups.iter().filter_map(Value::as_object).flat_map(serde_json::Map::values);
    let direct = list("/project/dependencies");
    let standard = lists.chain([&direct]).filter_map(Value::as_array).flatten().filter_map(|item| requirement(item.as_str()?));

    let poetry = list("/tool/poetry");
    let groups = poetry.get("group").and_then(Value::as_object).into_iter().flat_map(serde_json::Map::values);
    let poetry = groups.chain([&poetry]).flat_map(|scope| tables(scope, &["dependencies", "dev-dependencies"]));
    standard.chain(poetry).collect()
}

fn conda(environment: &Value) -> Vec<String> {
    let entries = environment.get("dependencies").and_then(Value::as_array).into_iter().flatten();
    let own = entries.clone().filter_map(Value::as_str);
    let pip = entries.filter_map(|entry| entry.get("pip")?.as_array()).flatten().filter_map(Value::as_str);
    // A conda entry may begin with its channel, as in `conda-forge::xgboost`.
    own.chain(pip).filter_map(|entry| requirement(entry.rsplit_once("::").map_or(entry, |(_, entry)| entry))).collect()
}

/// The name in a line such as `torch[cuda]>=2 ; python_version > "3.9"  # why`.
fn requirement(line: &str) -> Option<String> {
    let name: String = line.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')).collect();
    // Options (`-r more.txt`), comments and addresses begin otherwise, or go on with a colon.
    let address = line.trim().strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with([':', '/']));
    (name.starts_with(|c: char| c.is_ascii_alphanumeric()) && !address).then_some(name)
}

/// The module in a line such as `require example.com/a v1.2.3`, or the same inside a block.
fn go_module(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches("require ").trim_start();
    let (module, version) = line.split_once(' ')?;
    (module.contains('.') && version.trim_start().starts_with('v')).then(|| module.to_owned())
}

/// The name in `<artifactId>name</artifactId>`. A search is enough: the names that matter are
/// told apart by themselves.
fn artifact(line: &str) -> Option<String> {
    let (name, _) = line.split_once("<artifactId>")?.1.split_once("</artifactId>")?;
    Some(name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[rstest::rstest]
    #[case(Ecosystem::Cargo, "Cargo.toml", "[dependencies]\na='1'\nb={package='c'}\n[workspace.dependencies]\nd='1'\n[target.'cfg(unix)'.dev-dependencies]\ne={}\n", &["a", "c", "d", "e"])]
    #[case(Ecosystem::Npm, "package.json", r#"{"dependencies":{"@a/b":"1"},"devDependencies":{"c":"*"},"scripts":{"d":"x"}}"#, &["@a/b", "c"])]
    #[case(Ecosystem::Npm, "package.json", "[]", &[])]
    #[case(Ecosystem::Python, "pyproject.toml", "[project]\ndependencies=['a>=1','b[x]; y']\n[project.optional-dependencies]\nx=['c']\n[dependency-groups]\ny=['d',{include-group='z'}]\n[tool.poetry.dependencies]\npython='3'\n[tool.poetry.group.dev.dependencies]\ne='1'\n", &["a", "b", "c", "d", "e", "python"])]
    #[case(Ecosystem::Python, "pyproject.toml", "project = 7\n", &[])]
    #[case(Ecosystem::Python, "Pipfile", "[packages]\na='*'\n[dev-packages]\nb='*'\n", &["a", "b"])]
    #[case(Ecosystem::Python, "environment.yml", "dependencies:\n- a=1\n- conda-forge::b\n- pip:\n  - c==2\n", &["a", "b", "c"])]
    #[case(Ecosystem::Python, "requirements.txt", "a==1\n  b[x,y]>=2 # c\n# d\n-r e.txt\n--index-url https://f\nhttps://g/h.whl\ngit+https://i\nj @ https://k\n./l\n\n", &["a", "b", "git", "j"])]
    #[case(Ecosystem::Go, "go.mod", "module example.com/me\ngo 1.24\nrequire example.com/a v1\nrequire (\n\texample.com/b v2 // indirect\n)\n", &["example.com/a", "example.com/b"])]
    #[case(Ecosystem::Maven, "pom.xml", "<dependency>\n <artifactId>a</artifactId>\n</dependency><artifactId> b </artifactId>\n<artifactId>c\n", &["a", "b"])]
    fn dependencies_are_read(#[case] ecosystem: Ecosystem, #[case] file: &str, #[case] text: &str, #[case] expected: &[&str]) {
        let mut found = dependencies(ecosystem, file, text).unwrap();
        found.sort();
        assert_eq!(found, expected);
    }

    #[rstest::rstest]
    #[case(Ecosystem::Cargo, "Cargo.toml", "[a\n")]
    #[case(Ecosystem::Npm, "package.json", "{")]
    #[case(Ecosystem::Npm, "package.json", &"[".repeat(100_000))]
    #[case(Ecosystem::Cargo, "Cargo.toml", &format!("a = {}", "[".repeat(100_000)))]
    #[case(Ecosystem::Python, "environment.yml", "a: [")]
    fn what_cannot_be_read_is_an_error(#[case] ecosystem: Ecosystem, #[case] file: &str, #[case] text: &str) {
        assert!(dependencies(ecosystem, file, text).is_err());
    }
}
