//! Containers: image files and compose services.
//!
//! Owns which files these are. It must never resolve what stands in them: an image is shown as it
//! is written, variables and all.

use serde_json::{Value, json};

use super::{
    report::{Report, declared_in},
    tree::{File, Tree},
    yaml,
};

/// What such files bear on.
const TOPICS: &[&str] = &["container infrastructure", "container images", "deployment"];

/// Reports image files and compose services.
pub(super) fn inspect(tree: &Tree, report: &mut Report) {
    dockerfiles(tree, report);
    compose_services(tree, report);
}

fn dockerfiles(tree: &Tree, report: &mut Report) {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| is_dockerfile(file.name())) {
        let text = tree.text(file, report);
        if text.is_some_and(|text| text.lines().any(is_from)) {
            found.push(file.path.as_str());
        }
    }
    let source = declared_in(found.iter().copied());
    report.value("containers.dockerfiles", found, source, TOPICS);
}

fn is_dockerfile(name: &str) -> bool {
    ["Dockerfile", "Containerfile"].iter().any(|kind| {
        let variant = name.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        variant || name.strip_suffix(kind).is_some_and(|rest| rest.ends_with('.'))
    }) || name.ends_with(".dockerfile")
}

/// Every image file has a `FROM`; a note called `Dockerfile.md` has none.
fn is_from(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("FROM"))
}

fn compose_services(tree: &Tree, report: &mut Report) {
    let (mut services, mut paths) = (Vec::new(), Vec::new());
    for file in tree.files.iter().filter(|file| is_compose(file)) {
        let Some(text) = tree.text(file, report) else { continue };
        match yaml::documents(&text) {
            Ok(documents) => {
                let before = services.len();
                services.extend(documents.iter().flat_map(|document| services_of(document, &file.path)));
                paths.extend((services.len() > before).then_some(file.path.as_str()));
            }
            Err(why) => report.skip(&file.path, why),
        }
    }
    report.value("containers.compose.services", services, declared_in(paths), TOPICS);
}

fn is_compose(file: &File) -> bool {
    let named = |name: &str| {
        ["compose", "docker-compose"].iter().any(|kind| name.strip_prefix(kind).is_some_and(|rest| rest.starts_with(['.', '-'])))
    };
    file.is_yaml() && named(file.name())
}

fn services_of(document: &Value, path: &str) -> Vec<Value> {
    let services = document.get("services").and_then(Value::as_object);
    let service = |(name, service): (&String, &Value)| match service.get("image").and_then(Value::as_str) {
        Some(image) => json!({ "service": name, "image": image, "file": path }),
        None => json!({ "service": name, "file": path }),
    };
    services.into_iter().flatten().map(service).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::fixture::Folder;

    #[test]
    fn image_files_are_known_by_name_and_content() {
        let folder = Folder::new();
        for path in ["Dockerfile", "api/Dockerfile.gpu", "worker.Dockerfile", "x.dockerfile", "Containerfile"] {
            folder.write(path, "# syntax=x\nfrom python:3.13\n");
        }
        folder.write("docs/Dockerfile.md", "How we build images\n");
        folder.write("bin/Dockerfile", "FROM\0\x7fELF");
        folder.write("NotADockerfile", "FROM x");
        let found = folder.inspect(inspect);
        assert_eq!(
            found.fact("containers.dockerfiles").value,
            json!(["Containerfile", "Dockerfile", "api/Dockerfile.gpu", "worker.Dockerfile", "x.dockerfile"])
        );
        assert_eq!(found.skipped, ["bin/Dockerfile: not a text file"]);
    }

    #[test]
    fn compose_services_are_shown_as_written() {
        let folder = Folder::new();
        folder.write(
            "compose.yaml",
            "services:\n  web:\n    build: .\n  db: &db\n    image: postgres:${TAG:-17}\n    environment: {PASSWORD: hunter2}\n  db2:\n    <<: *db\n",
        );
        folder.write("ops/docker-compose.dev.yml", "services: {mail: {image: mailhog}}\n");
        folder.write("docker-compose.broken.yml", "services: [");
        folder.write("compose.strange.yml", "services: 7\n");
        folder.write("composer.yml", "services: {no: {}}\n");
        let found = folder.inspect(inspect);
        let services = found.fact("containers.compose.services");
        assert_eq!(
            services.value,
            json!([
                { "service": "db", "image": "postgres:${TAG:-17}", "file": "compose.yaml" },
                { "service": "db2", "image": "postgres:${TAG:-17}", "file": "compose.yaml" },
                { "service": "web", "file": "compose.yaml" },
                { "service": "mail", "image": "mailhog", "file": "ops/docker-compose.dev.yml" },
            ])
        );
        assert_eq!(services.source, "declared in the repository: compose.yaml, ops/docker-compose.dev.yml");
        assert_eq!(found.skipped, ["docker-compose.broken.yml: not plain YAML (line 1, column 11)"]);
    }

    #[test]
    fn a_huge_compose_file_is_skipped() {
        let folder = Folder::new();
        folder.write("compose.yaml", "services: {}\n".repeat(800_000));
        assert_eq!(folder.inspect(inspect).skipped, ["compose.yaml: larger than 1 MiB"]);
    }
}
