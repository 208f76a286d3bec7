//! Odd paths, folders and masks.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::support::{Project, Running, SMALL};

#[test]
fn paths_with_spaces_and_without_characters_work() {
    let project = Project::new("");
    for name in [&b"with spaces and 'quotes'"[..], "åäö 葉".as_bytes(), b"not \xff utf-8 \xfe", b"-dash", b"new\nline"]
    {
        let folder = project.path().join(OsStr::from_bytes(name));
        std::fs::create_dir(&folder).unwrap();
        let manifest = folder.join(OsStr::from_bytes(b"mani fest \xf0.toml"));
        std::fs::write(&manifest, SMALL).unwrap();
        let run = |arguments: &[&str]| {
            let mut command = project.command(arguments);
            command.arg(&manifest).arg("--cache").arg(folder.join("store"));
            Running::start(command).wait().expect(0)
        };
        run(&["run"]);
        assert!(run(&["run"]).stderr.contains("5 cached, 0 run"));
        run(&["plan"]);
        run(&["report"]);
        let mut export = project.command(&["export"]);
        export.arg(&manifest).arg("student").arg("-o").arg(folder.join(OsStr::from_bytes(b"o\xffut.safetensors")));
        Running::start({
            export.arg("--cache").arg(folder.join("store"));
            export
        })
        .wait()
        .expect(0);
    }
}

#[test]
fn a_bare_environment_is_enough() {
    let project = Project::new(SMALL);
    let mut command = project.command(&["run", "pleach.toml"]);
    command.env_clear();
    Running::start(command).wait().expect(0);
    let mut command = project.command(&["run", "pleach.toml"]);
    command.env_clear().env("HOME", "/nonexistent").env("TMPDIR", "/nonexistent").env("LANG", "tr_TR.UTF-8");
    let again = Running::start(command).wait().expect(0);
    assert!(again.stderr.contains("5 cached"), "{}", again.stderr);
}

#[test]
fn the_store_is_where_the_command_line_or_the_environment_says() {
    let project = Project::new(SMALL);
    let mut command = project.command(&["run", "pleach.toml", "teacher"]);
    command.env("PLEACH_CACHE", project.path().join("elsewhere"));
    Running::start(command).wait().expect(0);
    assert!(project.path().join("elsewhere/v1/objects").is_dir() && !project.cache().exists());
    let mut command = project.command(&["run", "pleach.toml", "teacher", "--cache", "here"]);
    command.env("PLEACH_CACHE", project.path().join("elsewhere"));
    let ran = Running::start(command).wait().expect(0);
    assert!(ran.stderr.contains("0 cached, 1 run"), "{}", ran.stderr);
    let mut command = project.command(&["run", "pleach.toml", "teacher"]);
    command.env("PLEACH_CACHE", "");
    Running::start(command).wait().expect(0);
    assert!(project.cache().is_dir(), "an empty variable is none");
}

#[test]
fn masks_decide_neither_who_can_write_nor_whether_it_works() {
    for mask in ["000", "022", "077"] {
        let project = Project::new(SMALL);
        let mut shell = Command::new("sh");
        shell.current_dir(project.path()).env_remove("PLEACH_CACHE");
        let script = format!("umask {mask}; \"$0\" run pleach.toml && exec \"$0\" run pleach.toml");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_pleach")]);
        let ran = Running::start(shell).wait().expect(0);
        assert!(ran.stderr.contains("5 cached"), "{}", ran.stderr);
        let object = std::fs::metadata(project.object("teacher", "weights")).unwrap();
        assert_eq!(object.permissions().mode() & 0o777, 0o444, "{mask}");
        each(&project.cache(), &|path| {
            let mode = std::fs::symlink_metadata(path).unwrap().mode();
            assert_eq!(mode & 0o002, 0, "{mask}: {} {mode:o}", path.display());
        });
    }
}

#[test]
fn a_very_long_path_works_or_is_named() {
    let project = Project::new(SMALL);
    let mut deep = project.path().to_owned();
    for _ in 0..15 {
        deep.push("a".repeat(240));
    }
    let mut command = project.command(&["run", "pleach.toml", "--cache"]);
    command.arg(&deep);
    let ran = Running::start(command).wait();
    assert!(matches!(ran.code, 0 | 30), "{}", ran.stderr);
    let mut command = project.command(&["run", "pleach.toml", "--cache"]);
    command.arg(deep.join(deep.strip_prefix("/").unwrap()));
    let ran = Running::start(command).wait().expect(30);
    assert!(ran.stderr.contains("too long") && ran.stderr.contains("aaaa"), "{}", ran.stderr);
}

fn each(folder: &Path, look: &dyn Fn(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        look(&path);
        if path.is_dir() {
            each(&path, look);
        }
    }
}

#[test]
fn a_tilde_is_the_home_folder_and_no_folder_of_that_name() {
    let project = Project::new(SMALL);
    let at = |name: &str| project.path().join(name);
    std::fs::create_dir(at("home")).unwrap();
    let run = |arguments: &[&str], cache: Option<&str>| {
        let mut command = project.command(arguments);
        command.env("HOME", at("home")).envs(cache.map(|cache| ("PLEACH_CACHE", cache)));
        Running::start(command).wait()
    };
    run(&["run", "pleach.toml", "teacher"], Some("~/store")).expect(0);
    assert!(at("home/store/v1").is_dir());
    let ran = run(&["--cache=~/other", "cache", "status"], None).expect(0);
    assert!(ran.stdout.starts_with(&format!("{}\n", at("home/other").display())), "{}", ran.stdout);
    // The neighbours.
    std::fs::rename(at("pleach.toml"), at("home/m.toml")).unwrap();
    run(&["export", "~/m.toml", "teacher", "-o", "~/x.safetensors"], Some("~/store")).expect(0);
    assert!(at("home/x.safetensors").is_file());
    run(&["init", "~/first"], None).expect(0);
    assert!(at("home/first/pleach.toml").is_file());
    let ran = run(&["run", "~/m.toml"], Some("~bob/store")).expect(2);
    let told = ran.stderr.replace(&*at("home").to_string_lossy(), "HOME");
    insta::assert_snapshot!(told, @r"
    error: PLEACH_CACHE: only a shell knows the home folder of another user: ~bob/store
      help: write the whole path
      help: your own, `~`, is HOME
    ");
    let mut homeless = project.command(&["--cache", "~/store", "cache", "status"]);
    let ran = Running::start({
        homeless.env_remove("HOME");
        homeless
    });
    let ran = ran.wait().expect(2);
    assert!(ran.stderr.contains("HOME does not name one"), "{}", ran.stderr);
    assert!(!at("~").exists() && !at("~bob").exists());
    // Whoever has such a folder means it.
    std::fs::create_dir(at("~")).unwrap();
    run(&["--cache=~/own", "run", "home/m.toml", "teacher"], None).expect(0);
    assert!(at("~/own").is_dir());
    // Where a relative store lies is shown in full.
    let ran = run(&["cache", "status"], None).expect(0);
    assert!(ran.stdout.starts_with(&format!("{}\n", at("cache").display())), "{}", ran.stdout);
}

#[test]
fn what_only_a_shell_knows_is_refused_in_a_manifest() {
    let images = SMALL.replace("source = \"digits\"", "source = \"images\"\npath = \"PATH\"\nsize = [8, 8]");
    let import = format!(
        "{SMALL}\n[stages.found]\nkind = \"import\"\ndata = \"digits\"\nnetwork = {{ arch = \"mlp\", hidden = [4] }}\npath = \"PATH\"\n"
    );
    let project = Project::new("");
    let home = project.path().join("home");
    let check = |manifest: &str, path: &str, more: &[&str]| {
        project.write("pleach.toml", manifest.replace("PATH", path));
        let mut command = project.command(&["check", "pleach.toml"]);
        command.args(more).env("HOME", &home);
        Running::start(command).wait().expect(10).stderr.replace(&*home.to_string_lossy(), "/home/ada")
    };
    insta::assert_snapshot!(check(&images, "~/photographs", &[]), @r#"
    error: `~` means nothing in a manifest
     --> pleach.toml:8:8
      |
    8 | path = "~/photographs"
      |        ^^^^^^^^^^^^^^^
      |
      = help: write the whole path, or one that begins in the manifest's folder: only a shell knows such names; the home folder is /home/ada

    error: the manifest has 1 error
    "#);
    for (path, first) in [("$HOME/photographs", "$HOME"), ("~ada/photographs", "~ada"), ("data/$SET/x", "$SET")] {
        for manifest in [&images, &import] {
            let told = check(manifest, path, &[]);
            assert!(told.contains(&format!("`{first}` means nothing in a manifest")), "{told}");
            assert!(told.contains("only a shell knows such names"), "{told}");
            assert_eq!(told.contains("the home folder is /home/ada"), first == "$HOME", "{told}");
        }
    }
    // A shell leaves it alone behind `=`.
    let told = check(&images, "photographs", &["--set", "data.digits.path=~/photographs"]);
    assert!(told.contains("`~` means nothing in a manifest"), "{told}");
}
