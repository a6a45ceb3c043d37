use super::*;

const MINIMAL: &str =
    "default = 'EPERM'\nunknown = 'ENOSYS'\nrefuse = []\nannounce = []\nzygote = []\nholder = []\n";

fn check(text: &str, expected: &str) {
    let error = SyscallPolicy::parse(&format!("{MINIMAL}{text}")).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn without_cgroups_uncounted_memory_is_out_of_reach() {
    let policy = SyscallPolicy::embedded().unwrap();
    assert_eq!(
        policy.verdict("memfd_create", FilterKind::Child),
        Verdict::Allow
    );
    let policy = policy.without_cgroups();
    let refused = Verdict::Refuse(Errno::Enosys);
    assert_eq!(policy.verdict("memfd_create", FilterKind::Child), refused);
    assert_eq!(policy.verdict("mmap", FilterKind::Child), Verdict::Allow);
}

#[test]
fn every_known_call_is_named_exactly_once() {
    let policy = SyscallPolicy::embedded().unwrap();
    for arch in [Arch::X86_64, Arch::Aarch64] {
        for name in names_by_number(arch).unwrap().values() {
            assert!(policy.child.contains_key(*name), "{name} needs an entry");
        }
    }
}

#[test]
fn the_zygote_adds_only_what_the_child_lacks() {
    let policy = SyscallPolicy::embedded().unwrap();
    for name in &policy.zygote {
        assert_ne!(
            policy.child[name],
            Verdict::Allow,
            "{name} is allowed already"
        );
    }
}

#[test]
fn calls_that_reach_outside_are_refused_to_a_child() {
    let policy = SyscallPolicy::embedded().unwrap();
    for name in [
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "pidfd_getfd",
        "kcmp",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "keyctl",
        "mount",
        "move_mount",
        "setns",
        "unshare",
        "pivot_root",
        "chroot",
        "kexec_load",
        "open_by_handle_at",
        "fanotify_init",
        "swapon",
        "reboot",
        "settimeofday",
        "iopl",
        "vmsplice",
        "memfd_secret",
        "seccomp",
        "landlock_restrict_self",
        "shmget",
        "mq_open",
        "syslog",
        "flock",
        "sync",
        "setresuid",
        "capset",
        "execveat",
        "clone3",
        "openat2",
    ] {
        assert!(
            matches!(policy.verdict(name, FilterKind::Child), Verdict::Refuse(_)),
            "{name}"
        );
    }
}

#[test]
fn a_slip_in_the_file_is_refused_by_name() {
    check(
        "restrict = []\nallow = [{ calls = ['read'], reason = ' ' }]",
        "`read` needs a reason",
    );
    check(
        "restrict = []\nallow = [{ calls = ['raed'], reason = 'x' }]",
        "`raed` is no system call",
    );
    check(
        "restrict = []\nallow = [{ calls = ['read', 'read'], reason = 'x' }]",
        "`read` must be named in one entry",
    );
    check(
        "restrict = []\nallow = [{ calls = ['read'], why = 'x' }]",
        "cannot read policy",
    );
    for rule in [
        "one_of = [1], none_of = [2]",
        "none_of_bits = 0",
        "mask = 1",
        "one_of = []",
    ] {
        let entry = format!("{{ calls = ['ioctl'], argument = 1, {rule}, reason = 'x' }}");
        check(
            &format!("allow = []\nrestrict = [{entry}]"),
            "the rule for `ioctl` must",
        );
    }
}
