//! The language server with a real client: a headless Neovim, driven by `client.lua`.
//!
//! Where there is no Neovim the test says so and passes; with `CI=true` it fails.

use std::path::Path;
use std::process::{Command, Stdio};

use expect_test::expect;

const SSH: &str = r#"# Logins by SSH.
list scanners from "lists/scanners.txt"

rule guessing {
  title    "{count} failed logins from {source.ip} 😀"
  severity medium
  when failed by source.ip within 5m having count() >= 10
  except "ours 😀" where user.nam == "scan" and source.ip in scanners
}

rule guessed {
  title "{source.ip} guessed it"
  when sequence by source.ip within 5m {
    bad:  failed
    good: authentication where event.outcome == "success"
  }
}

rule never { when any where severty == 3 }
"#;

const LETS: &str = "# Logins that did not work.\nlet failed = authentication where event.outcome == \"failure\"\n";

#[test]
fn neovim_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir_all(rules.join("lists")).unwrap();
    for (name, text) in [
        ("ssh.weir", SSH),
        ("lets.weir", LETS),
        ("other.weir", "rule other { when nobody }\n"),
        ("lists/scanners.txt", "198.51.100.7\n10.20.0.0/16\n"),
    ] {
        std::fs::write(rules.join(name), text).unwrap();
    }
    let Some(said) = neovim(folder.path(), &rules) else { return };
    expect![[r#"
        == diagnostics
        other.weir:1:19-25 ERROR W0102 there is no category and no `let` named `nobody` | unknown | write an ECS category such as `authentication`, `any`, or define it: let name = any where …
        ssh.weir:19:29-36 ERROR W0101 unknown field `severty` | not in the field table | a value that has no field of its own is written fields.severty
        ssh.weir:8:28-36 ERROR W0101 unknown field `user.nam` | did you mean `user.name`? | a value that has no field of its own is written fields.user.nam
        == fix
        replace with `user.name`
        other.weir:1:19-25 ERROR W0102 there is no category and no `let` named `nobody` | unknown | write an ECS category such as `authentication`, `any`, or define it: let name = any where …
        ssh.weir:19:29-36 ERROR W0101 unknown field `severty` | not in the field table | a value that has no field of its own is written fields.severty
        == hover
        `source.ip`: address

        The address it came from.

        Asked with `==` `!=` `in`, with addresses, networks and lists.
        W0101: A field is a name of the field table, or `fields.` and the name the log uses.
        == completion
        source.ip address
        source.port number
        source.domain text
        source.bytes number
        source.packets number
        source.geo.country_iso_code text
        source.geo.city_name text
        source.as.number number
        source.as.organization.name text
        == completion in what is being written
        success
        failure
        unknown
        == definition
        lets.weir:2:5
        scanners.txt:1:1
        == references
        lets.weir:2:5
        ssh.weir:7:8
        ssh.weir:14:11
        == rename
        `network` would clash: `network` is a category
        failed
          when bad_login by source.ip within 5m having count() >= 10
            bad:  bad_login
        let bad_login = authentication where event.outcome == "failure"
        == outline
        2 [Array] scanners
        4 [Function] guessing
        11 [Function] guessed
        14 [Field] bad
        15 [Field] good
        19 [Function] never
        == format
        rule guessing {
        == end
        exit code 0
    "#]]
    .assert_eq(&said);
}

/// What the script wrote; `None`, with a word, where there is no Neovim.
fn neovim(home: &Path, rules: &Path) -> Option<String> {
    let out = home.join("out");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lsp/client.lua");
    let started = Command::new("nvim")
        .args(["--headless", "--clean", "-n", "-i", "NONE", "-c"])
        .arg(format!("luafile {script}"))
        // The script ends Neovim itself, unless it fails.
        .args(["-c", "cquit 4"])
        .env("HOME", home)
        .env("XDG_CACHE_HOME", home)
        .env("XDG_STATE_HOME", home)
        .env("WEIR", env!("CARGO_BIN_EXE_weir"))
        .env_remove("WEIR_RULES")
        .env("RULES", rules)
        .env("OUT", &out)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let client = match started {
        Ok(client) => client,
        Err(error) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI needs neovim: {error}");
            println!("skipped: no nvim here (apt-get install neovim)");
            return None;
        }
    };
    let output = client.wait_with_output().unwrap();
    let said = std::fs::read_to_string(&out).unwrap_or_default();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "nvim: {}\n{errors}\n{said}", output.status);
    Some(said)
}
