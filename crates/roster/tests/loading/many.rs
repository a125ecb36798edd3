//! A folder as large as they come, of files in every form at once.

use std::{fs, time::Instant};

/// How many files there are.
const FILES: usize = 1_000;

/// What a shape of front matter adds to `name: …`, and the code of its finding, if it has one.
const SHAPES: [(&str, Option<&str>); 10] = [
    ("description: Mends nets\ntools: Read, Write\n", None),
    ("description: Mends nets\r\ntools: [Read, Write]\r\n", None),
    ("description: Use it so: when nets tear\n", Some("not_strict_yaml")),
    ("description: Mends nets\nand sails\n", Some("not_strict_yaml")),
    ("description: Mends nets\ndescription: Mends sails\n", Some("duplicate_key")),
    ("description: Mends nets\ntools: *\n", Some("not_strict_yaml")),
    ("short_description: Mends nets\nweights:\n  keywords: {net: 3, sail: 2}\n", None),
    ("model: small\n", Some("no_description")),
    ("description: Mends nets\nweights: {keywords: {net: much}}\n", Some("not_an_integer")),
    ("description: Mends nets\nbus: {handlr: exec}\n", Some("unknown_key")),
];

#[test]
fn a_thousand_files_of_every_form_are_checked_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let section = "## Nets\n\n- Knots are tied twice\n- Every mesh is counted\n\n".repeat(60);
    for number in 0..FILES {
        let (shape, _) = SHAPES[number % SHAPES.len()];
        let folder = dir.path().join(format!("{}/{}", number % 7, number % 11));
        fs::create_dir_all(&folder).unwrap();
        let neighbour = (number / SHAPES.len() + 1) % (FILES / SHAPES.len()) * SHAPES.len();
        let list = format!("Integration with other agents:\n- Work with agent-{neighbour} on nets\n- Ask nobody-{number} for twine\n");
        let text = format!("---\nname: agent-{number}\n{shape}---\n{section}{list}");
        fs::write(folder.join(format!("{number}.md")), text).unwrap();
    }

    let begun = Instant::now();
    let loaded = roster::load(&[dir.path().to_owned()]);
    let checked = roster::lint(&loaded);
    // It takes a tenth of a second when it is compiled for speed. What grows with the square of the files takes minutes.
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());

    let each = FILES / SHAPES.len();
    let found: Vec<_> = loaded.diagnostics.iter().chain(&checked).map(|finding| finding.code).collect();
    let count = |code: &str| found.iter().filter(|found| **found == code).count();
    for (_, code) in SHAPES {
        let Some(code) = code else { continue };
        let shapes = SHAPES.iter().filter(|(_, other)| *other == Some(code)).count();
        assert_eq!(count(code), shapes * each, "{code}");
    }
    assert_eq!((loaded.files, loaded.definitions.len()), (FILES, 8 * each), "two forms in ten are errors");
    assert_eq!(count("unknown_target"), 8 * each, "one that dangles in each, and none besides");
    assert_eq!(found.len(), 15 * each);
}
