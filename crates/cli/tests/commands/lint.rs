//! `agentbus lint`: what is wrong with definition files.

use crate::case::Folder;

#[test]
fn linting() {
    let folder = Folder::new("lint");
    folder.write("good/qa.md", "---\nname: qa\ndescription: Tests.\n---\n");
    folder.write("bad/cook.md", "---\nname: cook\ndescription: Cooks.\nbus:\n  handler: oven\n  colour: red\n---\n");
    folder.write("bad/waiter.md", "---\nname: waiter\n---\n\nIntegration with other agents:\n- Work with head-chef on menus\n");
    folder.write("bad/open.md", "---\nname: open\n");
    folder.write("bad/README.md", "# No definition\n");
    folder.write("none/notes.txt", "nothing\n");
    folder.write("mapped/cook.md", "---\nname: cook\ndescription: Cooks.\naliases: chef\n---\n");
    folder.write(
        "mapped/waiter.md",
        "---\nname: waiter\ndescription: Serves.\n---\n\nIntegration with other agents:\n- Work with head-chef on menus\n",
    );
    folder.write("idle/runner.md", "---\nname: runner\ndescription: Runs.\nbus:\n  handler: exec\n---\n");
    folder.write("idle/thinker.md", "---\nname: thinker\ndescription: Thinks.\nbus: { handler: llm }\n---\n");
    folder.write("map.toml", "[aliases]\nhead-chef = 'cook'\n");
    folder.write("wrong.toml", "[aliases]\nhead-chef = 'chef'\nwaiter = 'cook'\n");
    folder.case("all_well", &["lint", "good"]);
    folder.case("all_well_json", &["lint", "--json", "good"]);
    folder.case("errors_and_warnings", &["lint", "bad"]);
    folder.case("errors_and_warnings_json", &["lint", "--json", "bad/cook.md"]);
    folder.case("a_warning_alone_is_no_failure", &["lint", "bad/waiter.md"]);
    folder.case("what_would_not_run", &["lint", "idle"]);
    folder.case("no_definitions", &["lint", "none"]);
    folder.case("a_target_that_is_mapped", &["lint", "--config", "map.toml", "mapped"]);
    folder.case("a_target_that_is_mapped_to_nobody", &["lint", "--config", "wrong.toml", "mapped"]);
    folder.case("no_such_folder", &["lint", "nowhere"]);
    folder.case("nothing_named", &["lint"]);
}
