//! `--device`, `precision`, and a device that is full.

use crate::support::{Project, SMALL};

/// A GPU that nobody has, so that this says the same on every machine.
#[test]
fn a_gpu_that_is_not_there_is_said_before_anything_is_read() {
    let project = Project::new(SMALL);
    for device in ["cuda:4095", "gpu"] {
        let ran = project.pleach(&["run", "nowhere.toml", "--device", device]).expect(2);
        assert!(
            ran.stderr.contains(&format!("`--device {device}`")) || ran.stderr.contains("no device `gpu`"),
            "{}",
            ran.stderr
        );
        assert!(ran.stderr.contains("help: ") || ran.stderr.contains("hint: "), "{}", ran.stderr);
    }
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_build_without_cuda_says_how_to_get_one_and_runs_on_the_processor() {
    let project = Project::new(SMALL);
    let ran = project.pleach(&["run", "pleach.toml", "--device", "cuda"]).expect(2);
    for part in ["`--device cuda`: this pleach was built without CUDA", "cargo build --release --features cuda"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let ran = project.run(&["--device", "auto"]).expect(0);
    assert!(ran.events().iter().all(|event| event["event"] != "warning"), "it is quiet about it");
    assert!(
        project.run(&["--device", "cpu"]).expect(0).stages("stage-finished").is_empty(),
        "keys do not know the device"
    );
    for record in project.records() {
        assert_eq!(record.provenance["device"], "cpu", "{}", record.label);
        assert!(record.provenance["no-gpu"].is_null(), "nobody looked for one");
    }
}

#[test]
fn precision_is_part_of_the_key_and_the_processor_does_without_it() {
    let project = Project::new(SMALL);
    project.run(&["--device", "cpu"]).expect(0);
    let exact = project.results();
    let asked = ["--device", "cpu", "--set=stages.teacher.precision=tf32", "--set=stages.student.precision=bf16"];
    let ran = project.run(&asked).expect(0);
    let ran_again = ran.stages("stage-finished");
    assert_eq!(ran_again, ["teacher", "student"], "they are new, and what they make is not");
    let notes: Vec<String> =
        ran.events().iter().filter(|event| event["event"] == "note").map(|note| note["message"].to_string()).collect();
    let told = notes.iter().filter(|note| note.contains("`precision` is for GPUs")).count();
    assert_eq!(told, 1, "once a run: {notes:?}");
    assert_eq!(project.results(), exact, "products are `f32` all the same");
    let named = project.run(&["--device", "cpu", "--set=stages.teacher.precision=f32"]).expect(0);
    assert!(named.stages("stage-finished").is_empty(), "f32 is the default");
    let wrong = project.pleach(&["check", "pleach.toml", "--set=stages.teacher.precision=fp8"]);
    assert!(wrong.code != 0 && wrong.stderr.contains("`f32`, `tf32` or `bf16`"), "{}", wrong.stderr);
}

/// One that is full for a moment is tried again; one that stays so is code 22, with what is free and what to do.
#[cfg(feature = "fault-injection")]
#[test]
fn a_full_device_is_tried_twice() {
    use crate::support::Running;
    let whole = Project::new(SMALL);
    whole.run(&[]).expect(0);
    let with_fault = |project: &Project, fault: String| {
        let mut command = project.command(&["run", "pleach.toml", "--json", "--device", "cpu"]);
        command.env("PLEACH_FAULT", fault);
        Running::start(command).wait()
    };
    for at in [1, 20, 45] {
        let project = Project::new(SMALL);
        let ran = with_fault(&project, format!("fail:{at}:ENOMEM:allocate")).expect(0);
        assert!(ran.event("note")["message"].as_str().unwrap().contains("full; once more"), "{at}");
        assert_eq!(project.results(), whole.results(), "{at}");
        let project = Project::new(SMALL);
        let ran = with_fault(&project, format!("fail-from:{at}:ENOMEM:allocate")).expect(22);
        let failed = ran.event("stage-failed");
        assert_eq!((failed["stage"].as_str(), failed["code"].as_u64()), (Some("teacher"), Some(22)), "{at}");
        let message = failed["message"].as_str().unwrap();
        assert!(message.contains("not enough memory on cpu, in two attempts"), "{message}");
        #[cfg(target_os = "linux")]
        assert!(message.contains(" MiB of ") && message.ends_with(" MiB are free"), "{message}");
        assert_eq!(failed["hints"][0], "lower `batch`, which is 64");
        assert!(project.records().is_empty(), "nothing of a failed stage is kept");
        assert_eq!(
            with_fault(&project, "fail:1000000:EIO:changes".to_owned()).expect(0).code,
            0,
            "and it can be run again"
        );
    }
}
