use bytes::Bytes;
use engine::{Exception, Value as GuestValue};

use super::*;

#[test]
fn a_long_text_keeps_its_beginning_and_tells_the_rest() {
    assert_eq!(cut("abc", 3), "abc");
    assert_eq!(cut("abcd", 3), "abc\n[… 1 bytes not recorded …]");
    // Never inside a character.
    assert_eq!(cut("aüb", 2), "a\n[… 3 bytes not recorded …]");
    assert_eq!(cut("a\0b", 9), "a\u{fffd}b");
}

fn captured(head: usize, tail: usize, dropped_bytes: u64) -> CapturedOutput {
    CapturedOutput {
        head: Bytes::from("h".repeat(head)),
        tail: Bytes::from("t".repeat(tail)),
        dropped_bytes,
    }
}

#[test]
fn of_a_long_output_head_and_tail_are_kept_and_every_byte_is_accounted_for() {
    let half = MOST_OUTPUT / 2;
    for (head, tail, dropped) in [
        (MOST_OUTPUT, 0, 0),
        (MOST_OUTPUT + 1, 0, 0),
        (MOST_OUTPUT * 3, 7, 5),
        (MOST_OUTPUT, MOST_OUTPUT, 9),
        (3, MOST_OUTPUT * 2, 1),
        (half - 1, half + 2, 4),
    ] {
        let kept = output(&captured(head, tail, dropped));
        let letters = kept.matches('h').count() + kept.matches('t').count();
        // The marker has letters of its own.
        let marker = "[…  bytes of output dropped …]";
        let marked = kept.contains("bytes of output dropped");
        let own = marker.matches('h').count() + marker.matches('t').count();
        let shown = letters - if marked { own } else { 0 };
        assert!(shown <= MOST_OUTPUT, "{head} {tail}: {shown}");
        let missing = head as u64 + tail as u64 + dropped - shown as u64;
        assert_eq!(marked, missing > 0, "{head} {tail}");
        assert!(
            !marked || kept.contains(&format!("{missing} bytes")),
            "{head} {tail}"
        );
    }
}

#[test]
fn a_result_is_always_json() {
    let completed = |repr: &str, json: Option<Value>| {
        let value = GuestValue {
            repr: Some(repr.into()),
            json,
            ..Default::default()
        };
        result(&Outcome::Completed(value)).unwrap()
    };
    assert_eq!(completed("[1]", Some(json!([1]))), "[1]");
    assert_eq!(completed("<object>", None), "\"<object>\"");
    let long = "x".repeat(MOST_TEXT);
    let cut = completed(&format!("'{long}'"), Some(json!(long)));
    assert!(cut.len() < MOST_TEXT + 100);
    let text = serde_json::from_str::<String>(&cut).unwrap();
    assert!(text.starts_with("\"xxx"), "it is JSON that was cut");
    assert!(text.ends_with("x\n[… 2 bytes not recorded …]"));
    assert_eq!(result(&Outcome::Cancelled), None);
}

#[test]
fn a_repr_that_the_guest_may_have_cut_says_so() {
    let recorded = |repr: String| {
        let value = GuestValue {
            repr: Some(repr),
            ..Default::default()
        };
        let json = result(&Outcome::Completed(value)).unwrap();
        serde_json::from_str::<String>(&json).unwrap()
    };
    let mark = "\n[… whatever follows was not recorded …]";
    for (length, is_marked) in [
        (MOST_TEXT, true),
        (MOST_TEXT - 3, true),
        (MOST_TEXT - 4, false),
    ] {
        let told = recorded("r".repeat(length));
        assert_eq!(told.ends_with(mark), is_marked, "{length}");
    }
}

#[test]
fn what_ended_it_stands_beside_the_outcome() {
    let raised = Exception {
        kind: "ValueError".into(),
        ..Default::default()
    };
    for (outcome, told) in [
        (Outcome::Raised(raised), Some("ValueError")),
        (
            Outcome::LimitExceeded(engine::Limit::Memory),
            Some("memory"),
        ),
        (
            Outcome::Crashed(ExitStatus::Signaled(11)),
            Some("signal 11"),
        ),
        (Outcome::Crashed(ExitStatus::Exited(3)), Some("status 3")),
        (Outcome::Cancelled, None),
    ] {
        assert_eq!(detail(&outcome).as_deref(), told, "{outcome:?}");
    }
}

#[test]
fn a_failure_of_ours_is_no_outcome() {
    let ended = Ended::new(Ending::Failed(&ExecutionError::HostMemory), 7);
    assert_eq!(
        (ended.state, ended.outcome, ended.return_code),
        ("failed", None, None)
    );
    assert_eq!(ended.detail.as_deref(), Some("host_memory"));
    let abandoned = Ended::new(Ending::Abandoned, 7);
    assert_eq!(
        (abandoned.state, abandoned.outcome),
        ("finished", Some("cancelled"))
    );
}

#[test]
fn what_a_record_takes_counts_the_row_and_what_was_passed() {
    let bytes = |kwargs: &str| {
        let call = engine::Call {
            function: "f".into(),
            args: Vec::new(),
            kwargs: [(
                "a".to_owned(),
                RawValue::from_string(kwargs.into()).unwrap(),
            )]
            .into(),
        };
        let request = ExecutionRequest {
            source: "1".into(),
            entry: Entry::Function(call),
            ..Default::default()
        };
        Started::new(&request, SecurityLevel::Strict).bytes()
    };
    assert!(bytes("1") > ROW);
    let long = format!("\"{}\"", "x".repeat(5000));
    assert_eq!(bytes(&long) - bytes("1"), long.len() - 1);
}
