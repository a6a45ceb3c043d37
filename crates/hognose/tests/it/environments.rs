//! `hognose env` on requested environments, with and without a server: what it prints, that it refuses in
//! one sentence, and that it leaves nothing behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::Home;

/// A home whose package index is a folder of tiny wheels.
struct Indexed {
    home: Home,
    index: String,
}

impl Indexed {
    fn new() -> Self {
        let home = Home::with_environments();
        let index = home.index(&[]);
        Self { home, index }
    }

    fn variables<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own = [
            ("HOGNOSE_INDEX_URL", self.index.as_str()),
            ("HOGNOSE_INDEX_RETRIES", "0"),
        ];
        own.iter().chain(more).copied().collect()
    }

    /// What a call prints that ends well.
    fn told(&self, arguments: &[&str]) -> String {
        let all = [&["env"], arguments].concat();
        let output = self.home.call(&all, &self.variables(&[]));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{all:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The last line on standard error of a call that is refused: progress may come before.
    fn refused(&self, arguments: &[&str], more: &[(&str, &str)]) -> String {
        let all = [&["env"], arguments].concat();
        let output = self.home.call(&all, &self.variables(more));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{all:?}: {said}");
        assert_eq!(output.stdout, b"", "{all:?}");
        let errors = said.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(errors.count(), 1, "{all:?}: {said}");
        assert!(!said.contains('×'), "errors are told once: {said}");
        let last = said.lines().next_back().unwrap();
        assert!(last.starts_with("error: "), "{all:?}: {said}");
        last.to_owned()
    }

    /// What stands in the folder of trees.
    fn trees(&self) -> Vec<String> {
        let trees = fs::read_dir(self.home.path().join("state/requested/trees")).unwrap();
        let names = trees.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    /// The whole life of an environment.
    fn check_life(&self) {
        let made = self.told(&["create", "alpha<2"]);
        let (id, rest) = made.split_once("  python ").unwrap();
        assert!(rest.contains("  1 packages  1 MiB  "), "{made}");
        let listed = self.told(&["list"]);
        assert!(listed.ends_with(&made), "{listed}");
        assert_eq!(self.told(&["freeze", id]), "alpha==1.0\n");
        let digest = made.trim_end().rsplit("  ").next().unwrap();
        for name in [id, digest] {
            let shown = self.told(&["show", name]);
            assert!(shown.starts_with(&format!("digest {digest}")), "{shown}");
            assert!(shown.ends_with("alpha==1.0\n"), "{shown}");
        }
        let said = self.refused(&["remove", id, UNKNOWN], &[]);
        assert!(said.contains(UNKNOWN), "{said}");
        assert_eq!(self.told(&["freeze", id]), "alpha==1.0\n", "it is there");
        let grown = self.told(&["install", id, "gamma"]);
        assert!(
            grown.starts_with(id) && grown.contains("  2 packages  "),
            "{grown}"
        );
        let frozen = self.told(&["freeze", id, "--hashes"]);
        assert!(
            frozen.contains("gamma==1.0 \\\n    --hash=sha256:"),
            "{frozen}"
        );
        let said = self.refused(&["install", id, "nosuch"], &[]);
        assert!(said.contains("nosuch"), "{said}");
        assert_eq!(self.told(&["prune"]).lines().count(), 1);
        assert_eq!(self.trees().len(), 1, "{:?}", self.trees());
        assert_eq!(self.told(&["remove", id]), "");
        assert_eq!(self.trees(), [""; 0]);
        assert!(!self.told(&["list"]).contains(id));
    }
}

const UNKNOWN: &str = "0b7c1f3e-58a1-4f53-9d5e-2f5b6a1c7d10";

#[test]
fn environments_live_and_go_without_a_server() {
    let indexed = Indexed::new();
    indexed.check_life();
    let offline = [
        ("HOGNOSE_INDEX_URL", "http://127.0.0.1:1/simple"),
        ("HOGNOSE_OFFLINE", "1"),
    ];
    let said = indexed.refused(&["create", "beta"], &offline);
    assert!(
        said.contains("beta") && said.contains("network was disabled"),
        "{said}"
    );
    let listed = [("HOGNOSE_ALLOWED_PACKAGES", "beta")];
    let said = indexed.refused(&["create", "beta"], &listed);
    assert!(
        said.contains("`alpha` is not on the operator's list"),
        "{said}"
    );
    let held = fs::File::open(indexed.home.path().join("state/requested")).unwrap();
    held.lock().unwrap();
    let said = indexed.refused(&["create", "alpha"], &[]);
    assert!(
        said.contains("another hognose manages the environments")
            && said.contains("try again when it has ended"),
        "{said}"
    );
    drop(held);
    assert_eq!(indexed.trees(), [""; 0]);
}

#[test]
fn environments_live_and_go_through_a_server() {
    let indexed = Indexed::new();
    let server = indexed.home.serve_with(&indexed.variables(&[]));
    indexed.check_life();
    for (arguments, part) in [
        (&["create", "nosuch"][..], "nosuch"),
        (&["create", "alpha==3"], "alpha==3"),
        (&["create", "a b"], "a b"),
        (&["create"], "name at least one package"),
        (
            &["create", "alpha", "--python-version", "2.7"],
            "no Python 2.7 here",
        ),
        (&["create", "-r", "absent.txt"], "cannot read `absent.txt`"),
        (&["install", "x", "alpha"], "`x` is no id of an environment"),
        (&["freeze", UNKNOWN], "see `hognose env list`"),
        (&["freeze", "--hashes", UNKNOWN], UNKNOWN),
        (&["install", UNKNOWN, "alpha"], UNKNOWN),
        (&["remove", UNKNOWN], UNKNOWN),
    ] {
        let said = indexed.refused(arguments, &[]);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    assert_eq!(indexed.trees(), [""; 0]);
    server.stop();
}

/// An index that says nothing, so that a build waits for it.
fn silent_index() -> (TcpListener, String) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let index = format!("http://{}/simple", silent.local_addr().unwrap());
    (silent, index)
}

/// Who asked the index has ended: its connection comes to an end.
fn check_end(mut asked: TcpStream) {
    asked
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut rest = Vec::new();
    let _ = asked.read_to_end(&mut rest).unwrap();
}

#[test]
fn an_interrupted_build_leaves_nothing_behind() {
    let indexed = Indexed::new();
    let (silent, index) = silent_index();
    let variables = [("HOGNOSE_INDEX_URL", index.as_str())];
    let mut command = indexed
        .home
        .command(&["env", "create", "alpha"], &variables);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let (asked, _) = silent.accept().unwrap();
    assert_eq!(indexed.trees().len(), 1, "a build is under way");
    #[expect(
        clippy::disallowed_methods,
        reason = "a signal for the program under test"
    )]
    let mut kill = Command::new("kill");
    let sent = kill.args(["-INT", &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(indexed.trees(), [""; 0]);
    check_end(asked);
}

#[test]
fn a_server_that_was_killed_while_it_built_has_its_environments_again() {
    let indexed = Indexed::new();
    let (silent, index) = silent_index();
    let variables = [("HOGNOSE_INDEX_URL", index.as_str())];
    let server = indexed.home.serve_with(&variables);
    let mut command = indexed.home.command(&["env", "create", "alpha"], &[]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let (asked, _) = silent.accept().unwrap();
    // Killed, as by -9.
    drop(server);
    assert_eq!(child.wait().unwrap().code(), Some(125));
    let server = indexed.home.serve_with(&indexed.variables(&[]));
    assert_eq!(indexed.trees(), [""; 0]);
    check_end(asked);
    indexed.told(&["create", "alpha<2"]);
    server.stop();
}

#[test]
fn a_server_waits_for_who_has_its_environments() {
    let indexed = Indexed::new();
    let folder = indexed.home.path().join("state/requested");
    fs::create_dir(&folder).unwrap();
    let held = fs::File::open(&folder).unwrap();
    held.lock().unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0"];
    let mut command = indexed.home.command(&arguments, &indexed.variables(&[]));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = command.spawn().unwrap();
    let said = BufReader::new(server.stderr.take().unwrap()).lines();
    let mut said = said.map_while(Result::ok);
    assert!(said.any(|line| line.contains("waiting for another hognose")));
    // Whoever has it now ends.
    drop(held);
    let mut line = String::new();
    let mut output = BufReader::new(server.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert!(line.contains("listening"), "{line}");
    indexed.told(&["create", "alpha<2"]);
    server.kill().unwrap();
    server.wait().unwrap();
}

#[test]
fn a_server_without_a_folder_for_them_says_so_and_lists_the_default_one() {
    let indexed = Indexed::new();
    let server = indexed
        .home
        .serve_with(&[("HOGNOSE_ENVIRONMENTS_DIR", "/dev/null/x")]);
    let listed = indexed.told(&["list"]);
    assert!(listed.contains("  python 3."), "{listed}");
    let said = indexed.refused(&["create", "alpha"], &[]);
    assert!(said.contains("has only its default environment"), "{said}");
    server.stop();
}

#[test]
fn what_is_wrong_is_told_before_anything_is_made() {
    let home = Home::new();
    let offline = ("HOGNOSE_OFFLINE", "1");
    for (arguments, part) in [
        (&["env", "create", "-r", "absent.txt"][..], "cannot read"),
        (&["env", "create", "a b"], "a b"),
        (&["env", "remove", UNKNOWN, "x"], "`x` is no id"),
    ] {
        let said = home.refused(arguments, &[]);
        assert!(said.contains(part), "{said}");
        assert!(!home.path().join("state").exists(), "{arguments:?}");
    }
    let said = home.refused(&["env", "build"], &[offline]);
    assert!(said.contains("while offline"), "{said}");
    assert!(!home.path().join("state/tools").exists());
}

#[test]
fn a_warning_of_the_installer_is_shown() {
    let indexed = Indexed::new();
    let page = indexed.home.path().join("packages/index/gamma/index.html");
    let yanked = fs::read_to_string(&page).unwrap();
    let yanked = yanked.replace("<a ", "<a data-yanked=\"it is broken\" ");
    fs::write(page, yanked).unwrap();
    let arguments = ["env", "create", "gamma==1.0"];
    let made = indexed.home.call(&arguments, &indexed.variables(&[]));
    let said = String::from_utf8(made.stderr).unwrap();
    assert_eq!(made.status.code(), Some(0), "{said}");
    assert!(said.contains("warning: `gamma==1.0` is yanked"), "{said}");
}
