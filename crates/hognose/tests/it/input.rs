//! What is read and written at the edges: devices without an end, pipes, a disk that is full.

use std::fs::{self, File, OpenOptions};
use std::process::Stdio;

use crate::support::Home;

#[test]
fn what_has_no_end_is_refused_in_one_sentence() {
    let home = Home::new();
    fs::write(home.path().join("s.py"), "print(1)").unwrap();
    for arguments in [
        &["run", "/dev/zero"][..],
        &["run", "-"],
        &["run", "s.py", "--file", "x=/dev/zero"],
        &["run", "s.py", "--stdin"],
        &["check", "/dev/zero"],
        &["check", "-"],
        &["tool", "add", "zero", "/dev/zero"],
    ] {
        let mut command = home.command(arguments, &[]);
        let output = command.stdin(File::open("/dev/zero").unwrap()).output();
        let output = output.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(125), "{arguments:?}: {said}");
        let (source, input) = ("more than 10485760 bytes", "more than 268435456 bytes");
        assert!(said.contains(source) || said.contains(input), "{said}");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    }
}

#[test]
fn a_pipe_is_read_to_its_end_and_a_given_file_runs_in_place_of_the_folders() {
    let home = Home::with_environments();
    let script = "print(open('piped').read(), 'and', __name__)";
    fs::create_dir(home.path().join("job")).unwrap();
    fs::write(home.path().join("job/__main__.py"), "print('old')").unwrap();
    fs::write(home.path().join("job/piped"), "old").unwrap();
    fs::write(home.path().join("new.py"), script).unwrap();
    let arguments = [
        "run",
        "--no-server",
        "job",
        "--file",
        "__main__.py=new.py",
        "--file",
        "piped=/dev/stdin",
    ];
    let mut command = home.command(&arguments, &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut pipe, b"new").unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, b"new and __main__\n", "{said}");
}

#[test]
fn a_disk_that_is_full_is_our_own_error_and_a_reader_that_left_is_none() {
    let home = Home::with_environments();
    fs::write(home.path().join("s.py"), "for n in range(99999): print(n)").unwrap();
    let mut command = home.command(&["run", "--no-server", "s.py"], &[]);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(125), "{said}");
    assert!(
        said.contains("error: cannot write to standard output: No space left on device"),
        "{said}"
    );
    let mut command = home.command(&["run", "--no-server", "s.py"], &[]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command.stdout(writer).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(!said.contains("error: "), "{said}");
}

#[test]
fn what_a_server_does_not_take_is_told_with_its_size() {
    let home = Home::with_environments();
    fs::write(home.path().join("s.py"), "print(1)").unwrap();
    let large = File::create(home.path().join("large")).unwrap();
    large.set_len(100 << 20).unwrap();
    let server = home.serve();
    let said = home.refused(&["run", "s.py", "--file", "large=large"], &[]);
    assert!(
        said.contains("and the server takes 67108864: give --no-server"),
        "{said}"
    );
    server.stop();
}
