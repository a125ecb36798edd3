//! Terraform: which providers and resource types the repository declares.
//!
//! Owns a reading of the first line of each block, which is all that it takes. It is no HCL parser
//! and must never evaluate anything; a line of a heredoc that looks like a block is counted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{
    report::{Report, declared_in},
    tree::Tree,
};

/// What such files bear on.
const TOPICS: &[&str] = &["infrastructure as code", "cloud infrastructure", "cloud providers", "infrastructure provisioning"];

/// Reports providers, and resource types with how many of each are declared.
pub(super) fn inspect(tree: &Tree, report: &mut Report) {
    let mut providers = BTreeSet::new();
    let mut resources = BTreeMap::<String, u64>::new();
    let mut paths = Vec::new();
    for file in tree.files.iter().filter(|file| file.extension() == "tf") {
        let Some(text) = tree.text(file, report) else { continue };
        let blocks = blocks(&text);
        paths.extend((!blocks.is_empty()).then_some(file.path.as_str()));
        for (block, label) in blocks {
            // By Terraform's own rule a type belongs to the provider named by its first word.
            let provider = label.split('_').next().unwrap_or_default();
            providers.insert(if block == "provider" { label } else { provider }.to_owned());
            if block == "resource" {
                *resources.entry(label.to_owned()).or_default() += 1;
            }
        }
    }
    let source = declared_in(paths);
    let resources: Vec<_> = resources.into_iter().map(|(kind, count)| json!({ "type": kind, "count": count })).collect();
    report.value("terraform.providers", providers.into_iter().collect::<Vec<_>>(), source.clone(), TOPICS);
    report.value("terraform.resources", resources, source, TOPICS);
}

/// The `provider`, `resource` and `data` blocks of a file, each with its first label.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let mut in_comment = false;
    let mut blocks = Vec::new();
    for line in text.lines().map(str::trim) {
        in_comment |= line.starts_with("/*");
        if !in_comment {
            blocks.extend(block(line));
        }
        in_comment &= !line.contains("*/");
    }
    blocks
}

fn block(line: &str) -> Option<(&str, &str)> {
    let (block, rest) = line.split_once(char::is_whitespace)?;
    let (label, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    let plain = !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    (plain && matches!(block, "provider" | "resource" | "data")).then_some((block, label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::fixture::Folder;

    #[test]
    fn blocks_are_counted() {
        let folder = Folder::new();
        folder.write(
            "infra/main.tf",
            "provider \"google-beta\" {}\nresource \"aws_s3_bucket\" \"a\" {\n}\nresource \"aws_s3_bucket\" \"b\" {}\n\
             data \"aws_ami\" \"x\" {}\n# resource \"azurerm_x\" \"c\" {}\n/* resource \"azurerm_y\" \"d\" {}\nresource \"azurerm_z\" \"e\" {} */\n\
             resource \"helm_release\" \"f\" {\n  provider = aws.other\n}\nvariable \"resource\" {}\nresource \"${x}\" {}\nresource \"\" \"y\" {}\n",
        );
        folder.write("infra/empty.tf", "locals {}\n");
        folder.write("infra/state.tfstate", "resource \"gcp_x\" \"y\"");
        let found = folder.inspect(inspect);
        assert_eq!(found.fact("terraform.providers").value, json!(["aws", "google-beta", "helm"]));
        assert_eq!(
            found.fact("terraform.resources").value,
            json!([{ "type": "aws_s3_bucket", "count": 2 }, { "type": "helm_release", "count": 1 }])
        );
        assert_eq!(found.fact("terraform.providers").source, "declared in the repository: infra/main.tf");
    }
}
