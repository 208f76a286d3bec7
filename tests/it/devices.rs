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
        assert!(message.contains("B of ") && message.ends_with("B are free"), "{message}");
        assert_eq!(failed["hints"][0], "lower `batch`, which is 64");
        assert!(project.records().is_empty(), "nothing of a failed stage is kept");
        assert_eq!(
            with_fault(&project, "fail:1000000:EIO:changes".to_owned()).expect(0).code,
            0,
            "and it can be run again"
        );
    }
}

#[test]
fn devices_are_listed_checked_and_measured() {
    let project = Project::new(SMALL);
    let listed = project.succeed(&["devices"]).stdout;
    assert!(listed.starts_with("cpu ") && listed.contains("\ncuda"), "{listed}");
    let checked = project.succeed(&["devices", "--check", "--device", "cpu"]).stdout;
    assert!(checked.contains("comparisons with the processor passed") && !checked.contains("FAILED"), "{checked}");
    let measured = project.succeed(&[
        "devices",
        "--speed",
        "--device=cpu",
        "--network=resnet-20",
        "--batch=2",
        "--seconds=0.1",
        "--python=no-such-python",
    ]);
    for part in ["ResNet-20, training", "ResNet-20, inference", "PyTorch is not beside it: no-such-python"] {
        assert!(measured.stdout.contains(part), "{part}: {}", measured.stdout);
    }
    assert!(!measured.stdout.contains("VGG"), "{}", measured.stdout);
    let unknown = project.pleach(&["devices", "--speed", "--device=cpu", "--network=resnet-21"]).expect(2);
    assert!(unknown.stderr.contains("no network `resnet-21` is measured"), "{}", unknown.stderr);
}

/// With the CUDA kernels computed by the processor: the whole way of a run, on a GPU that is none.
#[cfg(feature = "emulated-cuda")]
#[test]
fn a_pipeline_runs_on_a_gpu() {
    let project = Project::new(SMALL);
    project.run(&["--device", "cuda"]).expect(0);
    for record in project.records() {
        assert_eq!(record.provenance["device"], "cuda: emulated", "{}", record.label);
    }
    let again = Project::new(SMALL);
    again.run(&["--device", "cuda:0", "--jobs", "2"]).expect(0);
    assert_eq!(again.results(), project.results(), "the same bits");
    let on_processor = project.run(&["--device", "cpu"]).expect(0);
    assert!(on_processor.stages("stage-finished").is_empty(), "keys do not know the device");
    let full = Project::new(SMALL);
    let mut command = full.command(&["run", "pleach.toml", "--json", "--device", "cuda"]);
    command.env("PLEACH_EMULATED_MEMORY", "100000");
    let ran = crate::support::Running::start(command).wait().expect(22);
    let message = ran.event("stage-failed")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("not enough memory on cuda: emulated, in two attempts"), "{message}");
}
