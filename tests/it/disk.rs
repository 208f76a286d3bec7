//! Full disks, read-only and foreign stores, few file descriptors.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Project, Ran, Running, SMALL, may_mount, skipped};

/// Runs a shell script in a name space of its own, in which mounting is allowed. `$PLEACH` is the binary.
fn with_mounts(project: &Project, script: &str) -> Ran {
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-euc", script]).current_dir(project.path());
    command.env("PLEACH", env!("CARGO_BIN_EXE_pleach")).env_remove("PLEACH_CACHE").env("NO_COLOR", "1");
    Running::start(command).wait()
}

#[test]
fn a_stage_that_the_disk_has_no_room_for_does_not_begin() {
    if !may_mount() {
        return;
    }
    let project = Project::new(SMALL);
    // The teacher's result has 150 KiB, and each of two checkpoints with Adam's state three times as much.
    let script = r#"
        mkdir cache
        mount -t tmpfs -o mode=755,size=600k tmpfs cache
        "$PLEACH" run pleach.toml student 2>/dev/null
        dd if=/dev/zero of=cache/fill bs=1k count=100 2>/dev/null
        code=0
        "$PLEACH" run pleach.toml --set 'stages.teacher.network.hidden=[512]' || code=$?
        test "$code" = 30
        "$PLEACH" plan pleach.toml --set 'stages.teacher.network.hidden=[512]'
        "$PLEACH" cache gc
        rm cache/fill
        mount -o remount,size=64m cache
        "$PLEACH" run pleach.toml --set 'stages.teacher.network.hidden=[512]'
    "#;
    let ran = with_mounts(&project, script).expect(0);
    for part in
        ["`teacher`", "it adds at least 1.0 MiB", "to the store, and ", " are free", "`pleach cache gc` would free "]
    {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("would free nothing") && !ran.stderr.contains("No space left"), "{}", ran.stderr);
    assert!(ran.stdout.contains("\ndisk: up to ") && ran.stdout.contains(" are free\n"), "{}", ran.stdout);
    assert!(ran.stderr.contains("0 cached, 5 run"), "{}", ran.stderr);
}

#[test]
fn a_plan_estimates_the_disk_that_a_run_takes() {
    let project = Project::new(SMALL);
    let plan = |arguments: &[&str]| -> serde_json::Value {
        let told = project.succeed(&[&["plan", "pleach.toml", "--json"], arguments].concat()).stdout;
        serde_json::from_str(&told).unwrap()
    };
    let needs = plan(&[])["disk"]["needs"].as_u64().unwrap();
    assert!(plan(&[])["disk"]["free"].as_u64().unwrap() > needs);
    project.run(&[]).expect(0);
    let store = pleach::store::Store::open(&project.cache(), &Default::default()).unwrap();
    let took = store.status().unwrap().bytes;
    // What is no tensor is a large part of so small networks.
    assert!((took..20 * took).contains(&needs), "{took} of {needs}");
    assert_eq!(plan(&[])["disk"]["needs"], 0);
    assert!(!project.succeed(&["plan", "pleach.toml"]).stdout.contains("disk"));
    // Where tensors are most of it, the estimate is within what the best network and a checkpoint more can make.
    let large = ["student", "--set=stages.student.network.hidden=[4000]", "--set=stages.student.epochs=9"];
    let needs = plan(&large)["disk"]["needs"].as_u64().unwrap();
    project.run(&large).expect(0);
    let took = store.status().unwrap().bytes - took;
    assert!((took..2 * took).contains(&needs), "{took} of {needs}");
}

#[test]
fn a_full_disk_fails_the_stage_and_can_be_cleared() {
    if !may_mount() {
        return;
    }
    let project = Project::new(SMALL);
    // Room for what the teacher adds at least, but not for all of it.
    let script = r#"
        mkdir cache
        mount -t tmpfs -o mode=755,size=1150k tmpfs cache
        code=0
        "$PLEACH" run pleach.toml --set 'stages.teacher.network.hidden=[512]' || code=$?
        test "$code" = 30
        test -z "$(ls cache/v1/tmp)"
        dd if=/dev/zero of=cache/fill bs=1k 2>/dev/null || true
        rm -f cache/none
        "$PLEACH" cache gc
        "$PLEACH" cache status
        rm cache/fill
        mount -o remount,size=64m cache
        "$PLEACH" run pleach.toml --set 'stages.teacher.network.hidden=[512]'
    "#;
    let ran = with_mounts(&project, script).expect(0);
    for part in ["teacher", "No space left", "cache/v1", "needed", "bytes are free", "pleach cache gc"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(ran.stderr.contains("0 cached, 5 run"), "{}", ran.stderr);
    assert!(ran.stdout.contains("deleted"), "{}", ran.stdout);
}

#[test]
fn a_full_disk_still_serves_what_it_has() {
    if !may_mount() {
        return;
    }
    let project = Project::new(SMALL);
    let script = r#"
        mkdir cache
        mount -t tmpfs -o mode=755,size=16m tmpfs cache
        "$PLEACH" run pleach.toml >/dev/null 2>&1
        dd if=/dev/zero of=cache/fill bs=1k 2>/dev/null || true
        "$PLEACH" run pleach.toml
    "#;
    let ran = with_mounts(&project, script).expect(0);
    assert!(ran.stderr.contains("5 cached, 0 run"), "{}", ran.stderr);
    assert!(ran.stderr.contains("without its journal"), "a journal that cannot be written is said: {}", ran.stderr);
}

#[test]
fn a_read_only_store_is_read() {
    if !may_mount() {
        return;
    }
    let project = Project::new(SMALL);
    project.run(&["student"]).expect(0);
    let results = project.results();
    std::fs::create_dir(project.path().join("temporary")).unwrap();
    let script = r#"
        mount --bind cache cache
        mount -o remount,bind,ro cache
        export TMPDIR="$PWD/temporary"
        code=0
        "$PLEACH" run pleach.toml --read-only-cache || code=$?
        test "$code" = 30
        test -z "$(ls temporary)"
        for more in "" --require-cache-write; do
            code=0
            "$PLEACH" run pleach.toml $more > refused.txt 2>&1 || code=$?
            test "$code" = 30
            grep -q "Read-only file system" refused.txt
            if grep running refused.txt; then exit 1; fi
        done
        "$PLEACH" run pleach.toml student
        "$PLEACH" plan pleach.toml
        code=0
        "$PLEACH" cache gc || code=$?
        test "$code" = 30
    "#;
    let ran = with_mounts(&project, script).expect(0);
    assert!(ran.stderr.contains("2 cached, 3 run"), "{}", ran.stderr);
    assert!(ran.stderr.contains("2 cached, 0 run"), "{}", ran.stderr);
    assert!(ran.stderr.contains("is only read") && ran.stderr.contains("lost when it ends"), "{}", ran.stderr);
    assert!(ran.stdout.contains("score: 447 test images"), "{}", ran.stdout);
    assert_eq!(project.results(), results);
}

#[test]
fn a_corrupt_object_in_a_read_only_store_is_made_again_beside_it() {
    if !may_mount() {
        return;
    }
    let project = Project::new(SMALL);
    project.run(&[]).expect(0);
    for (stage, output) in [("teacher", "weights"), ("score", "metrics")] {
        let path = project.object(stage, output);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        crate::support::overwrite(&path, &bytes);
    }
    let script = r#"
        mount --bind cache cache
        mount -o remount,bind,ro cache
        code=0
        "$PLEACH" run pleach.toml --refresh student --read-only-cache || code=$?
        test "$code" = 30
    "#;
    let ran = with_mounts(&project, script).expect(0);
    assert!(ran.stderr.contains("2 cached, 3 run"), "{}", ran.stderr);
    assert!(ran.stdout.contains("score: 447 test images"), "{}", ran.stdout);
}

#[test]
fn few_file_descriptors_do_or_say_why_not() {
    let project = Project::new(SMALL);
    let mut codes = Vec::new();
    for limit in [3, 4, 6, 8, 12, 20, 40] {
        let mut shell = Command::new("sh");
        shell.current_dir(project.path()).env_remove("PLEACH_CACHE").env("NO_COLOR", "1");
        let script = format!("ulimit -n {limit}; exec \"$0\" run pleach.toml --jobs 2 --refresh teacher");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_pleach")]);
        let ran = Running::start(shell).wait();
        assert!(!ran.stderr.contains("panicked"), "{limit}: {}", ran.stderr);
        // 127: the shell could not even load the program.
        assert!(matches!(ran.code, 0 | 1 | 10 | 11 | 20 | 30 | 126 | 127), "{limit}: {} {}", ran.code, ran.stderr);
        assert!(ran.code == 0 || !ran.stderr.is_empty(), "{limit}");
        codes.push(ran.code);
    }
    assert_eq!(codes[5..], [0, 0], "twenty are enough: {codes:?}");
    assert_ne!(codes[0], 0, "none is not");
    project.succeed(&["cache", "verify"]);
}

#[test]
fn a_store_that_anybody_can_write_is_refused() {
    let project = Project::new(SMALL);
    project.run(&["teacher"]).expect(0);
    let mode = |mode| std::fs::set_permissions(project.cache(), PermissionsExt::from_mode(mode)).unwrap();
    mode(0o777);
    let ran = project.run(&["teacher"]).expect(30);
    assert!(ran.stderr.contains("can be written by every user"), "{}", ran.stderr);
    project.run(&["teacher", "--trust-cache"]).expect(0);
    mode(0o755);
    project.run(&["teacher"]).expect(0);
}

#[test]
fn a_store_of_another_user_is_refused() {
    let project = Project::new(SMALL);
    project.run(&["teacher"]).expect(0);
    let changed = Command::new("chown").args(["-R", "12345"]).arg(project.cache()).output().unwrap();
    if !changed.status.success() {
        return skipped("only root can give files away");
    }
    let ran = project.run(&["teacher"]).expect(30);
    assert!(ran.stderr.contains("belongs to user 12345"), "{}", ran.stderr);
    project.run(&["teacher", "--trust-cache"]).expect(0);
}

#[test]
fn a_file_where_the_store_should_be_is_no_store() {
    let project = Project::new(SMALL);
    project.write("cache", "a file");
    let ran = project.run(&["teacher"]).expect(30);
    assert!(ran.stderr.contains("there is something else where its folder should be"), "{}", ran.stderr);
    assert!(ran.stages("stage-started").is_empty());
    assert_eq!(std::fs::read(project.cache()).unwrap(), b"a file");
}
