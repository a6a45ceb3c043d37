use super::super::emulator::{Call, run};
use super::*;

const BOTH: [FilterKind; 2] = [FilterKind::Child, FilterKind::Zygote];
const EPERM: u32 = ERRNO | 1;
const ENOSYS: u32 = ERRNO | 38;

fn program(which: FilterKind, arch: Arch) -> Vec<SockFilter> {
    instructions(&SyscallPolicy::embedded().unwrap(), which, arch).unwrap()
}

fn number(name: &str) -> u32 {
    let names = names_by_number(Arch::X86_64).unwrap();
    *names.iter().find(|(_, known)| **known == name).unwrap().0
}

/// The answer to a call of which one argument is set and the others are zero.
fn answer(which: FilterKind, name: &str, argument: usize, value: u64) -> u32 {
    let mut call = Call {
        number: number(name),
        arch: Arch::X86_64.audit(),
        arguments: [0; 6],
    };
    call.arguments[argument] = value;
    run(&program(which, Arch::X86_64), &call).0
}

fn check(name: &str, argument: usize, allowed: &[u64], refused: &[u64]) {
    for value in allowed {
        assert_eq!(
            answer(FilterKind::Child, name, argument, *value),
            ALLOW,
            "{name} {value:#x}"
        );
        // The kernel drops the upper half of an `int`, so it changes nothing here either.
        let high = value | 0xdead_beef_0000_0000;
        assert_eq!(
            answer(FilterKind::Child, name, argument, high),
            ALLOW,
            "{name} {high:#x}"
        );
    }
    for value in refused {
        assert_eq!(
            answer(FilterKind::Child, name, argument, *value),
            EPERM,
            "{name} {value:#x}"
        );
        let high = value | 0xdead_beef_0000_0000;
        assert_eq!(
            answer(FilterKind::Child, name, argument, high),
            EPERM,
            "{name} {high:#x}"
        );
    }
}

#[test]
fn every_number_gets_the_verdict_of_its_name() {
    let policy = SyscallPolicy::embedded().unwrap();
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let names = names_by_number(arch).unwrap();
        for which in BOTH {
            let program = program(which, arch);
            for number in 0..600 {
                let call = Call {
                    number,
                    arch: arch.audit(),
                    arguments: [u64::MAX; 6],
                };
                let name = names.get(&number);
                let expected = match name.map(|name| policy.verdict(name, which)) {
                    // All ones are no signal.
                    Some(Verdict::Allow | Verdict::AnnounceIf(_)) => ALLOW,
                    Some(Verdict::Refuse(errno)) => ERRNO | u32::from(errno.number()),
                    // The one value that every list of refusals misses and no list of values has.
                    Some(Verdict::AllowIf(rule)) => match rule.test {
                        ArgumentTest::NoneOf(_) => ALLOW,
                        ArgumentTest::OneOf { ref values, .. } if values.contains(&u32::MAX) => {
                            ALLOW
                        }
                        ArgumentTest::OneOf { .. } | ArgumentTest::NoneOfBits(_) => EPERM,
                    },
                    None => ENOSYS,
                };
                assert_eq!(
                    run(&program, &call).0,
                    expected,
                    "{arch:?} {which:?} {number} {name:?}"
                );
            }
        }
    }
}

#[test]
fn a_foreign_architecture_or_abi_kills() {
    for which in BOTH {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            for foreign in [0x4000_0003, 0xc000_003e, 0xc000_00b7, 0x4000_0028, 0] {
                let call = Call {
                    number: 0,
                    arch: foreign,
                    arguments: [0; 6],
                };
                let killed = run(&program(which, arch), &call).0 == KILL_PROCESS;
                assert_eq!(killed, foreign != arch.audit(), "{foreign:#x}");
            }
        }
        for number in [0x4000_0000, 0x4000_0000 + 59, 0x4000_0000 + 520, u32::MAX] {
            let call = Call {
                number,
                arch: Arch::X86_64.audit(),
                arguments: [0; 6],
            };
            assert_eq!(
                run(&program(which, Arch::X86_64), &call).0,
                KILL_PROCESS,
                "{number:#x}"
            );
        }
    }
}

#[test]
fn numbers_newer_than_the_table_do_not_exist() {
    for which in BOTH {
        for number in [336, 423, 470, 471, 512, 547, 1000, 0x3fff_ffff] {
            let call = Call {
                number,
                arch: Arch::X86_64.audit(),
                arguments: [0; 6],
            };
            assert_eq!(
                run(&program(which, Arch::X86_64), &call).0,
                ENOSYS,
                "{number}"
            );
        }
    }
}

#[test]
fn the_program_is_short_and_so_is_its_longest_path() {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        for which in BOTH {
            let program = program(which, arch);
            assert!(program.len() < 1024, "{} instructions", program.len());
            let mut longest = 0;
            for number in 0..600 {
                for value in [0, u64::MAX] {
                    let call = Call {
                        number,
                        arch: arch.audit(),
                        arguments: [value; 6],
                    };
                    longest = longest.max(run(&program, &call).1);
                }
            }
            assert!(longest <= 32, "{which:?} {arch:?}: {longest} steps");
        }
    }
}

#[test]
fn a_long_lower_half_is_reached_and_passed_over() {
    let run_of = |first, verdict| Run {
        first,
        verdict,
        weight: 1,
    };
    let values: Vec<u32> = (0..200).collect();
    let test = ArgumentTest::NoneOf(values);
    let long = Verdict::AllowIf(ArgumentRule { argument: 0, test });
    let runs = [
        run_of(0, long.clone()),
        run_of(1, Verdict::Allow),
        run_of(2, long),
        run_of(3, Verdict::Refuse(Errno::Enosys)),
        run_of(4, Verdict::Allow),
        run_of(5, Verdict::Refuse(Errno::Enosys)),
        run_of(6, Verdict::Allow),
        run_of(7, Verdict::Refuse(Errno::Enosys)),
    ];
    let mut program = vec![plain(LOAD, NUMBER_OFFSET)];
    program.extend(tree(&runs, Errno::Eperm).unwrap());
    assert!(program.iter().any(|instruction| instruction.code == JUMP));
    for (number, value, expected) in [
        (0, 199, EPERM),
        (0, 200, ALLOW),
        (1, 0, ALLOW),
        (2, 0, EPERM),
        (2, 200, ALLOW),
        (3, 0, ENOSYS),
        (4, 0, ALLOW),
        (5, 0, ENOSYS),
        (6, 0, ALLOW),
        (7, 0, ENOSYS),
        (99, 0, ENOSYS),
    ] {
        let call = Call {
            number,
            arch: 0,
            arguments: [value, 0, 0, 0, 0, 0],
        };
        assert_eq!(run(&program, &call).0, expected, "{number} {value}");
    }
}

#[test]
fn clone_makes_no_namespace() {
    // What glibc passes for a thread and for fork.
    let refused = [
        0x80,
        0x2_0000,
        0x200_0000,
        0x400_0000,
        0x800_0000,
        0x1000_0000,
        0x2000_0000,
        0x4000_0000,
    ];
    check("clone", 0, &[0x3d_0f00, 0x120_0011, 0x11], &refused);
    check("clone", 0, &[], &[0x1000_0011, 0x7e02_0080]);
}

#[test]
fn clone_makes_no_child_of_the_supervisor_and_sends_no_kill_at_its_end() {
    let no_kill: Vec<u64> = (1..128).filter(|signal| signal & 0xee != 0).collect();
    check("clone", 0, &[0, 17], &[0x8011, 0x8000]);
    check("clone", 0, &[], &no_kill);
    check("fcntl", 1, &[8, 9, 11, 15, 16], &[10]);
    assert_eq!(answer(FilterKind::Child, "timer_create", 0, 0), ENOSYS);
}

#[test]
fn a_kill_is_announced_by_the_childs_filter_alone() {
    let policy = SyscallPolicy::embedded().unwrap().without_listener();
    let deaf = instructions(&policy, FilterKind::Child, Arch::X86_64).unwrap();
    for (name, argument) in [
        ("kill", 1),
        ("tkill", 1),
        ("rt_sigqueueinfo", 1),
        ("tgkill", 2),
    ] {
        for (signal, expected) in [
            (9, ANNOUNCE),
            (9 | 0xdead_beef_0000_0000, ANNOUNCE),
            (0, ALLOW),
            (15, ALLOW),
            (0x109, ALLOW),
        ] {
            let told = format!("{name} {signal:#x}");
            let child = answer(FilterKind::Child, name, argument, signal);
            assert_eq!(child, expected, "{told}");
            let zygote = answer(FilterKind::Zygote, name, argument, signal);
            assert_eq!(zygote, ALLOW, "{told}");
            let mut call = Call {
                number: number(name),
                arch: Arch::X86_64.audit(),
                arguments: [0; 6],
            };
            call.arguments[argument] = signal;
            assert_eq!(run(&deaf, &call).0, ALLOW, "{told}");
        }
    }
    for other in ["rt_tgsigqueueinfo", "pidfd_send_signal", "execveat"] {
        assert_eq!(answer(FilterKind::Child, other, 1, 9), EPERM, "{other}");
    }
}

#[test]
fn sockets_are_unix_only() {
    for name in ["socket", "socketpair"] {
        check(name, 0, &[1], &[0, 2, 3, 10, 16, 17, 38, 40, 0xffff_ffff]);
    }
}

#[test]
fn terminals_cannot_be_typed_into() {
    check(
        "ioctl",
        1,
        &[0x5401, 0x541b, 0x5413, 0x5451],
        &[0x5412, 0x541c],
    );
}

#[test]
fn prctl_sets_nothing_that_matters() {
    check(
        "prctl",
        0,
        &[1, 2, 3, 15, 16, 23, 39, 0x5356_4d41],
        &[4, 8, 22, 24, 35, 36, 38, 41, 47, 53],
    );
}

#[test]
fn shared_files_cannot_be_watched() {
    check(
        "fcntl",
        1,
        &[0, 1, 2, 3, 4, 6, 7, 8, 37, 1030, 1031, 1033],
        &[10, 1024, 1026],
    );
}

#[test]
fn limits_and_personality_are_its_own_and_read_only() {
    check("prlimit64", 0, &[0], &[1, 2, 1000, 0xffff_ffff]);
    check("personality", 0, &[0xffff_ffff], &[0, 0x4_0000, 0x40_0000]);
}

#[test]
fn device_nodes_are_not_made() {
    for (name, argument) in [("mknod", 1), ("mknodat", 2)] {
        check(
            name,
            argument,
            &[0o600, 0o010_644, 0o100_644],
            &[0o020_666, 0o060_660, 0o140_777, 0o040_755],
        );
    }
}

#[test]
fn a_zygote_can_do_what_confining_a_child_takes() {
    for name in [
        "clone3",
        "setns",
        "mount",
        "umount2",
        "setresuid",
        "capset",
        "seccomp",
        "prctl",
    ] {
        assert_eq!(answer(FilterKind::Zygote, name, 0, 38), ALLOW, "{name}");
        assert_ne!(answer(FilterKind::Child, name, 0, 38), ALLOW, "{name}");
    }
    assert_eq!(answer(FilterKind::Zygote, "ptrace", 0, 0), EPERM);
    assert_eq!(answer(FilterKind::Child, "clone3", 0, 0), ENOSYS);
}

#[test]
fn a_holder_may_wait_and_nothing_else() {
    for name in ["futex", "ppoll", "exit_group"] {
        assert_eq!(answer(FilterKind::Holder, name, 0, 0), ALLOW, "{name}");
    }
    for name in [
        "read",
        "write",
        "mmap",
        "kill",
        "openat",
        "clone",
        "setresuid",
    ] {
        assert_eq!(answer(FilterKind::Holder, name, 0, 0), EPERM, "{name}");
    }
}

#[test]
fn bytes_are_the_instructions() {
    let policy = SyscallPolicy::embedded().unwrap();
    let bytes = compile(&policy, FilterKind::Child, Arch::X86_64).unwrap();
    assert_eq!(
        &bytes[..16],
        [0x20, 0, 0, 0, 4, 0, 0, 0, 0x15, 0, 1, 0, 0x3e, 0, 0, 0xc0]
    );
    assert_eq!(
        bytes.len(),
        program(FilterKind::Child, Arch::X86_64).len() * 8
    );
}
