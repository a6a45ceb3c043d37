use super::*;

fn sources(variables: &[(&str, &str)], dotenv: &str) -> Sources {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Sources {
        variables: variables.iter().map(owned).collect(),
        dotenv: dotenv::parse(dotenv).unwrap(),
    }
}

#[test]
fn a_flag_outranks_a_variable_and_a_variable_dotenv() {
    let all = sources(&[("HOGNOSE_SLOTS", "2")], "HOGNOSE_SLOTS=3");
    assert_eq!(all.slots(Some("1")).unwrap(), 1);
    assert_eq!(all.slots(None).unwrap(), 2);
    assert_eq!(
        sources(&[("HOGNOSE_SLOTS", "")], "HOGNOSE_SLOTS=3")
            .slots(None)
            .unwrap(),
        3
    );
    assert!(sources(&[], "").slots(None).unwrap() >= 4);
    assert_eq!(
        sources(&[], "").listen(None).unwrap().to_string(),
        DEFAULT_LISTEN
    );
}

#[test]
fn a_wrong_value_is_refused_naming_where_it_stood_and_the_right_ones() {
    let refused = |error: anyhow::Error| format!("{error:#}");
    let dotenv = sources(
        &[],
        "HOGNOSE_STATE_DIR=/s\nHOGNOSE_SLOTS=many\nHOGNOSE_MIN_TIER=rotless\nHOGNOSE_WALL_MS=1h",
    );
    let slots = refused(dotenv.slots(None).unwrap_err());
    assert_eq!(
        slots,
        "HOGNOSE_SLOTS in .env is `many`; use a whole number from 1 to 200"
    );
    let tier = refused(dotenv.common(&CommonArguments::default()).unwrap_err());
    assert!(
        tier.contains("HOGNOSE_MIN_TIER") && tier.contains("`full`"),
        "{tier}"
    );
    let wall = refused(dotenv.limit_policy(&[]).unwrap_err());
    assert!(
        wall.contains("HOGNOSE_WALL_MS in .env") && wall.contains("milliseconds"),
        "{wall}"
    );
    for wrong in ["0", "201", "-1", "x"] {
        assert!(sources(&[], "").slots(Some(wrong)).is_err(), "{wrong}");
    }
    for wrong in ["localhost", "127.0.0.1", "127.0.0.1:99999", ""] {
        assert!(sources(&[], "").listen(Some(wrong)).is_err(), "{wrong}");
    }
    let key = refused(
        sources(&[("HOGNOSE_API_KEY", "se cret")], "")
            .api_key(None)
            .unwrap_err(),
    );
    assert!(
        key.starts_with("HOGNOSE_API_KEY: ") && !key.contains("cret"),
        "{key}"
    );
}

#[test]
fn the_state_folder_follows_xdg_and_then_home() {
    let state_dir = |variables: &[(&str, &str)]| {
        let mut all = variables.to_vec();
        all.push(("HOGNOSE_MIN_TIER", "full"));
        sources(&all, "")
            .common(&CommonArguments::default())
            .map(|common| common.state_dir)
    };
    let (xdg, home) = (("XDG_DATA_HOME", "/data"), ("HOME", "/home/u"));
    assert_eq!(state_dir(&[xdg, home]).unwrap(), Path::new("/data/hognose"));
    assert_eq!(
        state_dir(&[home]).unwrap(),
        Path::new("/home/u/.local/share/hognose")
    );
    assert_eq!(
        state_dir(&[("HOGNOSE_STATE_DIR", "/s"), xdg]).unwrap(),
        Path::new("/s")
    );
    assert!(
        state_dir(&[])
            .unwrap_err()
            .to_string()
            .contains("--state-dir")
    );
}

#[test]
fn limit_flags_outrank_variables_and_never_move_the_maxima() {
    let all = sources(&[("HOGNOSE_WALL_MS", "5s"), ("HOGNOSE_PROCESSES", "8")], "");
    let policy = all.limit_policy(&["wall_ms=1s".to_owned()]).unwrap();
    assert_eq!(policy.defaults.wall.as_secs(), 1);
    assert_eq!(policy.defaults.processes, 8);
    assert_eq!(policy.maxima, LimitPolicy::default().maxima);
}

#[test]
fn the_seeds_longest_source_is_the_most_and_its_timeout_is_one_of_cpu_time() {
    let seed = |name: &str, value: &str| sources(&[(name, value)], "").limit_policy(&[]).unwrap();
    let (size, timeout) = (
        "STEPFLOW_PYTHON_MAX_CODE_SIZE",
        "STEPFLOW_PYTHON_DEFAULT_TIMEOUT",
    );
    let policy = seed(size, "1000");
    assert_eq!(
        (policy.defaults.source_bytes, policy.maxima.source_bytes),
        (1000, 1000)
    );
    let parser = |value: &str| sources(&[(size, value)], "").parser().unwrap();
    assert_eq!(parser("1000").max_code_size, 1000);
    assert_eq!(parser("99999999").max_code_size, 1 << 20, "no more is read");
    let own = seed("HOGNOSE_SOURCE_BYTES", "1000");
    assert_eq!(own.maxima, LimitPolicy::default().maxima);
    assert_eq!(seed(timeout, "120").defaults.cpu.as_secs(), 120);
    let cpu = LimitPolicy::default().defaults.cpu;
    assert_eq!(seed(timeout, "5").defaults.cpu, cpu);
    assert_eq!(seed("HOGNOSE_WALL_MS", "120s").defaults.cpu, cpu);
}
