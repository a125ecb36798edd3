//! x
use std::path::PathBuf;
#[test]
fn dump() {
    let mut all: Vec<_> = std::fs::read_dir("tests/fixtures/cases").unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    for p in all {
        let l = roster::load(&[p.clone()]);
        println!("## {}", p.file_name().unwrap().to_string_lossy());
        for d in &l.diagnostics { println!("   {d}  [{}+{}]  hint={:?}", d.place.offset, d.place.len, d.hint); }
        for d in &l.definitions { println!("   -> {} {:?} {:?} {:?} {:?} {:?}", d.name, d.description.chars().take(90).collect::<String>(), d.tools, d.model, d.extra, d.body.chars().take(40).collect::<String>()); println!("      {:?} {:?} {:?} q{} p{} {:?}", d.bus, d.profile, d.integration.iter().map(|i| i.name.to_string()).collect::<Vec<_>>(), d.context_queries.len(), d.progress.len(), d.delivery) }
    }
    for f in [vec!["twins"], vec!["shadow/first","shadow/second"], vec!["shadow/second","shadow/first", "shadow/first"], vec!["circle"], vec!["lint"], vec!["seeds"], vec!["../../../../agents"], vec!["nowhere"], vec!["cases"]] {
        let v: Vec<PathBuf> = f.iter().map(|f| PathBuf::from("tests/fixtures").join(f)).collect();
        let l = roster::load(&v);
        println!("#### {f:?} files {} definitions {}", l.files, l.definitions.len());
        if f[0]=="cases" {continue}
        for d in l.diagnostics.iter().chain(&roster::lint(&l)) { println!("   {d}  hint={:?}", d.hint); }
        for d in &l.definitions { println!("   -> {} {:?} {:?} q{} p{} {:?}", d.name, d.profile.weights, d.integration.iter().map(|i| i.name.to_string()).collect::<Vec<_>>(), d.context_queries.len(), d.progress.len(), d.delivery.as_ref().map(String::len)) }
    }
}
