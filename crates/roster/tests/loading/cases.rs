//! One table over all single-file fixtures: what each is loaded as, and what is reported where.

use std::collections::BTreeSet;

use super::*;

/// File, the name that it is loaded under (none: rejected), findings as `line:column code`.
const CASES: &[(&str, Option<&str>, &[&str])] = &[
    // As they should be.
    ("anchors.md", Some("moorer"), &[]),
    ("blank_lines_first.md", Some("early-bird"), &[]),
    ("bom.md", Some("baker"), &[]),
    ("bus.md", Some("smith"), &[]),
    ("crlf.md", Some("brewer"), &[]),
    ("dotted_name.md", Some("batch-2.5-expert"), &[]),
    ("integration.md", Some("shipwright"), &[]),
    ("integration_slashes.md", Some("lighterman"), &[]),
    ("later_dashes.md", Some("potter"), &[]),
    ("long_description.md", Some("rigger"), &[]),
    ("no_final_newline.md", Some("miller"), &[]),
    ("number_as_name.md", Some("0755"), &[]),
    ("profile.md", Some("weaver"), &[]),
    ("tools_absent.md", Some("tools-absent"), &[]),
    ("tools_empty.md", Some("tools-empty"), &[]),
    ("tools_list.md", Some("tools-list"), &[]),
    ("tools_quoted_star.md", Some("tools-quoted-star"), &[]),
    ("tools_string.md", Some("tools-string"), &[]),
    ("unknown_keys.md", Some("keeper"), &[]),
    ("upper_case_name.md", Some("QA-Lead_2"), &[]),
    // Loaded, with a warning.
    ("bad_examples.md", Some("farrier"), &["4:1 bad_example", "8:1 bad_example"]),
    ("duplicate_keys.md", Some("mason"), &["4:1 duplicate_key", "9:5 duplicate_key"]),
    ("flush_block.md", Some("cooper"), &["4:1 not_strict_yaml"]),
    ("flush_lines.md", Some("tanner"), &["4:1 not_strict_yaml"]),
    ("flush_quoted.md", Some("fletcher"), &["4:1 not_strict_yaml"]),
    ("inner_quotes.md", Some("sawyer"), &["3:21 not_strict_yaml"]),
    ("keywords.md", Some("printer"), &["8:5 empty_keyword", "10:3 unknown_dimension"]),
    ("tools_star.md", Some("tools-star"), &["3:8 not_strict_yaml"]),
    ("unquoted_colon.md", Some("glazier"), &["3:24 not_strict_yaml"]),
    ("unquoted_examples.md", Some("thatcher"), &["3:48 not_strict_yaml"]),
    // Rejected.
    ("anchors_unfold.md", None, &["6:36 front_matter_too_large"]),
    (
        "bad_bus_values.md",
        None,
        &[
            "4:12 bad_bus",
            "5:13 bad_bus",
            "6:10 bad_bus",
            "7:10 bad_bus",
            "8:12 bad_bus",
            "9:12 bad_bus",
            "10:12 bad_bus",
            "11:8 bad_bus",
            "12:11 bad_bus",
        ],
    ),
    ("bus_not_a_mapping.md", None, &["3:6 wrong_type"]),
    ("deep_front_matter.md", None, &["3:40 front_matter_too_large"]),
    ("empty_front_matter.md", None, &["1:1 no_name"]),
    ("hostile_name.md", None, &["3:7 bad_name"]),
    ("no_name.md", None, &["1:1 no_name"]),
    ("not_a_mapping.md", None, &["2:1 bad_yaml"]),
    ("not_utf8.md", None, &["3:22 not_utf8"]),
    ("null_name.md", None, &["1:1 no_name"]),
    ("ratio_out_of_range.md", None, &["3:18 out_of_range", "4:22 wrong_type"]),
    ("README.md", None, &["1:1 no_front_matter"]),
    ("reserved_name.md", None, &["2:7 bad_name"]),
    ("spaced_name.md", None, &["2:7 bad_name"]),
    ("tab.md", None, &["4:2 bad_yaml"]),
    ("unclosed.md", None, &["1:1 front_matter_unclosed"]),
    ("unclosed_list.md", None, &["3:8 bad_yaml"]),
    ("unknown_bus_key.md", None, &["5:3 unknown_key"]),
    (
        "weight_not_integer.md",
        None,
        &["3:16 not_an_integer", "6:11 not_an_integer", "7:13 not_an_integer", "9:10 not_an_integer", "10:11 wrong_type"],
    ),
    ("wrong_types.md", None, &["2:7 wrong_type", "3:14 wrong_type", "4:11 wrong_type", "5:10 bad_name"]),
];

#[test]
fn every_fixture_is_loaded_or_reported_as_expected() {
    for (file, loaded_as, expected) in CASES {
        let loaded = load(&[&format!("cases/{file}")]);
        let found = loaded.diagnostics.iter().map(|d| format!("{}:{} {}", d.place.line, d.place.column, d.code));
        assert_eq!(found.collect::<Vec<_>>(), *expected, "{file}");
        assert_eq!(names(&loaded).first(), loaded_as.as_ref(), "{file}");
        assert_eq!(loaded.has_errors(), loaded_as.is_none(), "{file}: a definition exists exactly if there is no error");
    }
}

#[test]
fn every_fixture_is_in_the_table() {
    let files = std::fs::read_dir(fixture("cases")).unwrap();
    let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let table: BTreeSet<_> = CASES.iter().map(|(file, ..)| (*file).to_owned()).collect();
    assert_eq!(files, table);
}

#[test]
fn one_bad_file_costs_no_other() {
    let loaded = load(&["cases"]);
    let expected: BTreeSet<_> = CASES.iter().filter_map(|(_, name, _)| *name).collect();
    assert_eq!(names(&loaded).into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(loaded.files, CASES.len() - 1, "all but the README count");
    assert!(!brief(&loaded.diagnostics).iter().any(|d| d.contains("README")), "in a folder it is skipped silently");
}

#[test]
fn offsets_and_lengths_point_at_the_same_place_as_lines_and_columns() {
    for d in load(&["cases", "circle", "twins", "lint", "seeds"]).diagnostics {
        let bytes = std::fs::read(&d.file).unwrap();
        let before = String::from_utf8_lossy(&bytes[..d.place.offset]).into_owned();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        assert_eq!((line, column), (d.place.line, d.place.column), "{d}");
        assert!(d.place.offset + d.place.len <= bytes.len(), "{d}");
    }
}

#[test]
fn a_finding_reads_like_a_compiler_says_it() {
    let loaded = load(&["cases/unknown_bus_key.md"]);
    let found = &loaded.diagnostics[0];
    let text = found.to_string();
    assert!(text.ends_with("cases/unknown_bus_key.md:5:3: error[unknown_key]: 'bus' has no key 'handlr'"), "{text}");
    assert_eq!(found.place.len, "handlr".len());
    assert!(found.hint.as_ref().unwrap().contains("handler, answers"));
    let json = serde_json::to_value(found).unwrap();
    assert_eq!((&json["severity"], &json["line"], &json["offset"]), (&"error".into(), &5.into(), &43.into()));
}
