//! Kubernetes: manifests, Helm charts and kustomizations.
//!
//! Owns which YAML files these are. It must never report more of a manifest than its kind, since
//! manifests hold secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    report::{Report, declared_in},
    tree::{File, Tree},
    yaml,
};

/// What such files bear on.
const TOPICS: &[&str] = &["Kubernetes infrastructure", "cluster infrastructure", "container orchestration", "deployment"];

/// Reports the kinds of manifests, the charts and the kustomizations.
pub(super) fn inspect(tree: &Tree, report: &mut Report) {
    manifests(tree, report);
    charts(tree, report);
    let paths: Vec<&str> = tree.files.iter().filter(|file| is_kustomization(file)).map(|file| file.path.as_str()).collect();
    report.value("kubernetes.kustomizations", paths.clone(), declared_in(paths), TOPICS);
}

fn manifests(tree: &Tree, report: &mut Report) {
    let charts: BTreeSet<&str> = tree.files.iter().filter(|file| is_chart(file)).map(File::folder).collect();
    let mut kinds = BTreeMap::<(String, String), u64>::new();
    let mut paths = Vec::new();
    for file in tree.files.iter().filter(|file| may_be_manifest(file, &charts)) {
        let Some(text) = tree.text(file, report).filter(|text| looks_like_manifest(text)) else { continue };
        match yaml::documents(&text) {
            Ok(documents) => {
                let found: Vec<_> = documents.iter().filter_map(kind).collect();
                paths.extend((!found.is_empty()).then_some(file.path.as_str()));
                found.into_iter().for_each(|kind| *kinds.entry(kind).or_default() += 1);
            }
            Err(why) => report.skip(&file.path, why),
        }
    }
    let kinds: Vec<_> =
        kinds.into_iter().map(|((kind, version), count)| json!({ "kind": kind, "api_version": version, "count": count })).collect();
    report.value("kubernetes.kinds", kinds, declared_in(paths), TOPICS);
}

/// Whether a file can hold manifests as they are: a chart's templates are no YAML until Helm has
/// filled them in.
fn may_be_manifest(file: &File, charts: &BTreeSet<&str>) -> bool {
    let template = || {
        let mut folder = file.folder();
        while let Some((parent, name)) = folder.rsplit_once('/').or((!folder.is_empty()).then_some(("", folder))) {
            if name == "templates" && charts.contains(parent) {
                return true;
            }
            folder = parent;
        }
        false
    };
    file.is_yaml() && !is_chart(file) && !is_kustomization(file) && !template()
}

/// Spares the parser the many YAML files that are something else.
fn looks_like_manifest(text: &str) -> bool {
    ["apiVersion:", "kind:"].iter().all(|field| text.lines().any(|line| line.starts_with(field)))
}

/// A manifest's kind and API version, where both are plain identifiers.
fn kind(document: &Value) -> Option<(String, String)> {
    let field = |name: &str| document.get(name).and_then(Value::as_str);
    let plain = |text: &str| text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '-'));
    let (kind, version) = (field("kind")?, field("apiVersion")?);
    (plain(kind) && plain(version)).then(|| (kind.to_owned(), version.to_owned()))
}

fn charts(tree: &Tree, report: &mut Report) {
    let (mut charts, mut paths) = (Vec::new(), Vec::new());
    for file in tree.files.iter().filter(|file| is_chart(file)) {
        let Some(text) = tree.text(file, report) else { continue };
        match yaml::documents(&text) {
            Ok(documents) => {
                let chart = documents.first().and_then(|chart| chart.get("name")).and_then(Value::as_str);
                charts.extend(chart.map(|name| json!({ "chart": name, "file": file.path })));
                paths.extend(chart.map(|_| file.path.as_str()));
            }
            Err(why) => report.skip(&file.path, why),
        }
    }
    report.value("kubernetes.helm.charts", charts, declared_in(paths), TOPICS);
}

fn is_chart(file: &File) -> bool {
    file.name() == "Chart.yaml"
}

fn is_kustomization(file: &File) -> bool {
    matches!(file.name(), "kustomization.yaml" | "kustomization.yml" | "Kustomization")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::fixture::Folder;

    #[test]
    fn manifests_are_counted_by_kind() {
        let folder = Folder::new();
        folder.write(
            "k8s/app.yaml",
            "apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: v1\nkind: Secret\ndata: {password: aHVudGVyMg==}\n---\n",
        );
        folder.write("k8s/db.yml", "kind: Deployment\napiVersion: apps/v1\n");
        folder.write("k8s/odd.yaml", "apiVersion: v1\nkind: 'rm -rf'\n---\nkind: [x]\napiVersion: v1\n");
        folder.write("k8s/broken.yaml", "apiVersion: v1\nkind: Pod\n a: [\n");
        folder.write("values.yaml", "image: x\n");
        let found = folder.inspect(inspect);
        let kinds = found.fact("kubernetes.kinds");
        assert_eq!(
            kinds.value,
            json!([{ "kind": "Deployment", "api_version": "apps/v1", "count": 2 }, { "kind": "Secret", "api_version": "v1", "count": 1 }])
        );
        assert_eq!(kinds.source, "declared in the repository: k8s/app.yaml, k8s/db.yml");
        assert_eq!(found.skipped.len(), 1, "{:?}", found.skipped);
    }

    #[test]
    fn charts_and_kustomizations_are_not_manifests() {
        let folder = Folder::new();
        folder.write("chart/Chart.yaml", "apiVersion: v2\nname: serving\nversion: 0.1.0\n");
        folder.write("chart/templates/deep/app.yaml", "apiVersion: apps/v1\nkind: Deployment\nname: {{ .Values.name }}\n");
        folder.write("templates/real.yaml", "apiVersion: v1\nkind: Service\n");
        folder.write("overlays/prod/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n");
        let found = folder.inspect(inspect);
        assert_eq!(found.fact("kubernetes.helm.charts").value, json!([{ "chart": "serving", "file": "chart/Chart.yaml" }]));
        assert_eq!(found.fact("kubernetes.kustomizations").value, json!(["overlays/prod/kustomization.yaml"]));
        assert_eq!(found.fact("kubernetes.kinds").value, json!([{ "kind": "Service", "api_version": "v1", "count": 1 }]));
        assert_eq!(found.skipped, Vec::<String>::new());
    }

    #[test]
    fn a_chart_at_the_root_has_templates_too() {
        let folder = Folder::new();
        folder.write("Chart.yaml", "name: [not a name]\n");
        folder.write("templates/app.yaml", "apiVersion: v1\nkind: {{ x }}\n");
        assert_eq!((folder.inspect(inspect).facts, folder.inspect(inspect).skipped), (vec![], vec![]));
    }
}
