//! Findings as callers see them.

use super::*;
use crate::security::SecuritySettings;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// `line:column excerpt` of each finding.
fn shown(findings: Vec<Finding>) -> String {
    let one = |finding: Finding| {
        format!(
            "{}:{} {}",
            finding.span.line, finding.span.column, finding.excerpt
        )
    };
    findings.into_iter().map(one).collect::<Vec<_>>().join("; ")
}

fn at(level: SecurityLevel, source: &str) -> String {
    shown(block_on(check(source, level, None)).unwrap())
}

fn strict(source: &str) -> String {
    at(SecurityLevel::Strict, source)
}

fn standard(source: &str) -> String {
    at(SecurityLevel::Standard, source)
}

fn with(settings: SecuritySettings, source: &str) -> String {
    let policy = Arc::new(Policy::of_settings(&settings));
    shown(block_on(check_with(source, policy, None)).unwrap())
}

#[test]
fn names_are_not_words() {
    for source in [
        "import math\nmath.cos(1)",
        "position = 1\nprint(position)",
        "'os'  # import os; open('x')",
        "x = 'import os'",
        "f'os.system'",
        "from .os import system\nsystem('ls')",
        "from . import os\nos.system('ls')",
        "class A:\n  def open(self): pass\nA().open()",
        "self.exec()",
        "file_open = 1\nopener = 2",
        "re.compile('eval')",
        "import json\njson.open",
        "{'open': 1}['open']",
        "f(open=1, file=2)",
        "def f(*, input): return input",
        "import osmium, system, subprocessing",
        "getattr(x, 'system')",
        "import numpy as os\nos.array",
        "raise ValueError('exec')",
    ] {
        assert_eq!(strict(source), "", "{source}");
    }
}

#[test]
fn what_is_refused_is_found_however_it_is_named() {
    for (source, expected) in [
        ("import os", "1:8 os"),
        ("import os.path as p", "1:8 os.path as p"),
        ("from os import path", "1:16 path"),
        ("from os.path import join as j", "1:21 join as j"),
        ("import json, sys", "1:14 sys"),
        (
            "def f():\n  if x:\n    import subprocess",
            "3:12 subprocess",
        ),
        ("import posix", "1:8 posix"),
        ("import shutil\nshutil.os.remove(x)", "2:1 shutil.os"),
        ("from shutil import os", "1:20 os"),
        ("import random\nr = random\nr._os.urandom", "3:1 r._os"),
        ("open('x')", "1:1 open"),
        ("with open('x') as f: pass", "1:6 open"),
        ("f = open\nf('x')", "1:5 open"),
        ("[eval][0]('1')", "1:2 eval"),
        ("import io\nio.open('x')", "2:1 io.open"),
        ("from io import open as o\no('x')", "1:16 open as o"),
        ("import builtins as b\nb.open('x')", "2:1 b.open"),
        ("__builtins__.eval('1')", "1:1 __builtins__.eval"),
        ("__builtins__['eval']('1')", "1:1 __builtins__['eval']"),
        (
            "getattr(__builtins__, 'ev' + 'al')('1')",
            "1:1 getattr(__builtins__, 'ev' + 'al')",
        ),
        (
            "n = 'exec'\nvars(__builtins__)[n]",
            "2:1 vars(__builtins__)[n]",
        ),
        (
            "globals()['__builtins__'].exec('1')",
            "1:1 globals()['__builtins__'].exec",
        ),
        (
            "import builtins\nbuiltins.__dict__.get('open')",
            "2:1 builtins.__dict__.get('open')",
        ),
        (
            "builtins = __builtins__\nbuiltins.__getattribute__('open')",
            "2:1 builtins.__getattribute__('open')",
        ),
        ("print(ｏｐｅｎ)", "1:7 ｏｐｅｎ"),
        ("lambda: input()", "1:9 input"),
        ("x: eval('int') = 1", "1:4 eval"),
        ("@eval\ndef f(a=exec): pass", "1:2 eval; 2:9 exec"),
        ("f'{open(1)}'", "1:4 open"),
        ("match x:\n  case y if eval(y): pass", "2:13 eval"),
        ("class A(open): pass", "1:9 open"),
        ("[open(x) for x in y]", "1:2 open"),
        ("from os import *", "1:16 *"),
    ] {
        assert_eq!(strict(source), expected, "{source}");
    }
}

#[test]
fn functions_of_modules_that_are_allowed_are_found_through_every_alias() {
    for (source, expected) in [
        ("import os\nos.getcwd()", ""),
        ("import os\nos.system('ls')", "2:1 os.system"),
        ("import os as o\nx = o\ny = x\ny.system", "4:1 y.system"),
        ("from os import system as s\ns('ls')", "1:16 system as s"),
        ("from os import *\nsystem('ls')", "1:16 *"),
        ("import os\nos.execvp('ls', [])", "2:1 os.execvp"),
        ("import os\nos.executable", "2:1 os.executable"),
        (
            "import os\n(os if x else y).fork()",
            "2:1 (os if x else y).fork",
        ),
        (
            "import os\n(z := os).fork()\nz.kill",
            "2:1 (z := os).fork; 3:1 z.kill",
        ),
        ("import os, sys\na, b = os, sys\na.system", "3:1 a.system"),
        (
            "import os\ngetattr(os, 'system')('ls')",
            "2:1 getattr(os, 'system')",
        ),
        (
            "import os\ngetattr(os, name)('ls')",
            "2:1 getattr(os, name)",
        ),
        (
            "import os\nos.__dict__['system']",
            "2:1 os.__dict__['system']",
        ),
        ("import os\nvars(os)['system']", "2:1 vars(os)['system']"),
        (
            "import os\nglobals()['os'].system",
            "2:1 globals()['os'].system",
        ),
        (
            "__import__('os').system('ls')",
            "1:1 __import__('os').system",
        ),
        ("__import__('subprocess')", "1:1 __import__('subprocess')"),
        ("__import__(name)", "1:1 __import__(name)"),
        (
            "import importlib\nimportlib.import_module('subprocess')",
            "2:1 importlib.import_module('subprocess')",
        ),
        (
            "from importlib import import_module as i\ni('os').system",
            "2:1 i('os').system",
        ),
        (
            "import importlib\nimportlib.import_module('concurrent.futures')",
            "",
        ),
        (
            "import sys\nsys.modules['subprocess']",
            "2:1 sys.modules['subprocess']",
        ),
        (
            "import sys\nsys.modules['os'].system",
            "2:1 sys.modules['os'].system",
        ),
        (
            "import sys\nsys.modules.get('os').popen",
            "2:1 sys.modules.get('os').popen",
        ),
        ("import sys\nsys.modules[__name__]", ""),
        ("import shutil\nshutil.os.system", "2:1 shutil.os.system"),
        ("import os\nclass A:\n  s = os\n  s.system", "4:3 s.system"),
        (
            "import os\ndef f():\n  global g\n  g = os\ng.system",
            "5:1 g.system",
        ),
        (
            "def f():\n  return o.system\nimport os as o",
            "2:10 o.system",
        ),
    ] {
        assert_eq!(standard(source), expected, "{source}");
    }
}

#[test]
fn a_name_of_the_programs_own_is_not_the_builtin() {
    for (source, expected) in [
        ("def open(): pass\nopen()", ""),
        ("class eval: pass\neval()", ""),
        ("open = 1\nopen", ""),
        ("def f(open): open()", ""),
        ("def f():\n  open()\n  open = 1", ""),
        ("from mine import open\nopen()", ""),
        ("for input in x: input", ""),
        ("for input in x: pass\ninput", "2:1 input"),
        ("[exec for exec in x]", ""),
        ("with x as open: open", ""),
        ("try: pass\nexcept E as eval: eval", ""),
        ("match x:\n  case open: open", ""),
        ("if x:\n  for file in y: file\nfile", ""),
        ("if x:\n  input = 1\n  input\nelse:\n  input", "5:3 input"),
        ("try:\n  open = x\n  open\nexcept E: pass", ""),
        ("with x:\n  open = 1\nopen", ""),
        ("file", "1:1 file"),
        ("lambda open: open", ""),
        ("def f():\n  open()\ndef open(): pass", ""),
        ("open()\nopen = 1", "1:1 open"),
        ("if x: open = 1\nopen", "2:1 open"),
        ("open = 1\ndel open\nopen", "3:1 open"),
        (
            "class A:\n  open = 1\n  open\n  def f(self): return open",
            "4:23 open",
        ),
        ("class A:\n  [open for x in y]\n  open = 1", "2:4 open"),
        ("def f(open): pass\nopen", "2:1 open"),
        ("def f():\n  global open\n  open = 1\nopen", "4:1 open"),
        ("[open := 1]\ndef f(): return open", "2:17 open"),
        ("open = open", "1:8 open"),
    ] {
        assert_eq!(strict(source), expected, "{source}");
    }
}

#[test]
fn a_source_that_cannot_be_judged_is_not_allowed() {
    let codes = |source: &str| {
        let findings = block_on(check(source, SecurityLevel::Standard, None)).unwrap();
        findings
            .into_iter()
            .map(|one| one.code)
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (source, expected) in [
        ("x = (", "syntax-error"),
        ("return 1", "syntax-error"),
        ("x = = 1\ny = 2\nz = = 3", "syntax-error syntax-error"),
        ("x\0", "syntax-error"),
        (&format!("x = 1{}", "+1".repeat(50_000)), "too-complex"),
        (&"x\n".repeat(200_000), "too-complex"),
        (&"x".repeat(2 << 20), "too-complex"),
    ] {
        assert_eq!(codes(source), expected, "{source:.20}");
    }
}

#[test]
fn lists_and_switches_become_findings() {
    let settings = SecuritySettings::default;
    let list = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let modules = || SecuritySettings {
        allowed_modules: list(&["json", "xml.sax"]),
        ..settings()
    };
    assert_eq!(
        with(
            modules(),
            "import json.decoder, xml.sax\nfrom xml import sax"
        ),
        ""
    );
    assert_eq!(
        with(modules(), "import re, xml.dom\nfrom xml import etree"),
        "1:8 re; 1:12 xml.dom; 2:17 etree"
    );
    assert_eq!(with(modules(), "__import__('re')"), "1:1 __import__('re')");
    let functions = || SecuritySettings {
        allowed_functions: list(&["print", "math.*"]),
        ..settings()
    };
    assert_eq!(
        with(
            functions(),
            "import math\nprint(math.cos(1))\nx.f()\ndef g(): pass\ng()"
        ),
        ""
    );
    assert_eq!(
        with(functions(), "import json\nlen(json.loads(x))"),
        "2:1 len; 2:5 json.loads"
    );
    let blocked = || SecuritySettings {
        blocked_functions: list(&["json.loads", "len"]),
        blocked_modules: list(&["re"]),
        ..settings()
    };
    assert_eq!(
        with(blocked(), "import json, re\njson.loads\njson.dumps\nlen"),
        "1:14 re; 2:1 json.loads; 4:1 len"
    );
    let off = |system, file| SecuritySettings {
        enable_system_calls: system,
        enable_file_access: file,
        ..settings()
    };
    let source = "import ctypes, socket\nimport pandas as pd\npd.read_csv(x)\nopen(y)";
    assert_eq!(with(off(true, true), source), "1:16 socket");
    assert_eq!(with(off(false, true), source), "1:8 ctypes; 1:16 socket");
    assert_eq!(
        with(off(true, false), source),
        "1:16 socket; 3:1 pd.read_csv; 4:1 open"
    );
}

/// Sources whose meaning takes long to find out for those who go about it badly.
#[test]
fn no_source_takes_long_to_judge() {
    let doubled: String = (0..20_000)
        .map(|n| format!("a{}=a{n}+a{n}\n", n + 1))
        .collect();
    let sources = [
        format!("a0=''\n{doubled}__import__(a20000)"),
        format!("import sys\nx=sys.modules{}", ".get('a')".repeat(300)),
        (0..30_000)
            .map(|n| format!("import os as a{n}\n"))
            .collect(),
        "import os\n".to_owned()
            + &(0..30_000)
                .map(|n| format!("a{}=a{n}\na{n}.system\n", n + 1))
                .collect::<String>(),
        "x=os\nx\n".repeat(30_000),
        "getattr(x,'a')\n".repeat(30_000),
        format!("x={}os{}", "getattr(".repeat(190), ",'a')".repeat(190)),
        format!("x={}os", "a if b else ".repeat(400)),
        "import os.a.b.c.d\n".repeat(30_000),
    ];
    for source in sources {
        let started = std::time::Instant::now();
        let findings = block_on(check(&source, SecurityLevel::Standard, None)).unwrap();
        assert!(findings.len() <= syntax::MOST);
        assert!(
            started.elapsed().as_secs() < 2,
            "{source:.40} took {:?}",
            started.elapsed()
        );
    }
}
