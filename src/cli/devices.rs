//! `pleach devices`: which there are, whether they compute rightly, and how fast.

use std::process::Command;

use super::arguments;
use super::{Failure, output};
use crate::error::{Error, Kind, Result};
use crate::network::Model;
use crate::report::bytes;
use crate::tensor::device::{Choice, Device, Devices};
use crate::tensor::engine::Precision;
use crate::tensor::{Backend, Cpu};
use crate::verify::peer::{Mode, PROGRAM, Request, Side};
use crate::verify::steps::Work;
use crate::verify::{self, Compared, networks};

/// Lists devices, and checks or measures one.
pub fn devices(arguments: &arguments::Devices) -> Result<(), Failure> {
    let choice: Choice = arguments.device.parse()?;
    if !arguments.check && !arguments.speed {
        list(&choice.find()?);
        return Ok(());
    }
    let found = choice.find()?;
    let device = found.gpus.first().map_or(Device::Cpu, |gpu| Device::Cuda(gpu.clone()));
    output::stdout(&format!("{device}\n"));
    match device {
        Device::Cpu => work(&Cpu::default(), arguments),
        #[cfg(feature = "cuda")]
        Device::Cuda(gpu) => work(&crate::tensor::cuda::open(gpu.ordinal)?, arguments),
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => Err(Error::new(Kind::Internal, "a GPU in a build without CUDA").into()),
    }
}

fn list(found: &Devices) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    output::stdout(&format!("cpu     {threads} threads, {} f32 values in a vector\n", crate::tensor::lanes()));
    for gpu in &found.gpus {
        let capability = format!("{}.{}", gpu.capability.0, gpu.capability.1);
        let line =
            format!("cuda:{}  {}, compute capability {capability}, {}\n", gpu.ordinal, gpu.name, bytes(gpu.memory));
        output::stdout(&line);
    }
    if found.gpus.is_empty() {
        let why = found.absent.as_deref().unwrap_or(match cfg!(feature = "cuda") {
            true => "`--device cpu` was asked for",
            false => "this pleach was built without the feature `cuda`",
        });
        output::stdout(&format!("cuda    none: {why}\n"));
    }
}

fn work<B: Backend>(device: &B, arguments: &arguments::Devices) -> Result<(), Failure> {
    if arguments.check {
        check(device, &arguments.precision)?;
    }
    if arguments.speed {
        speed(device, arguments)?;
    }
    Ok(())
}

/// Holds the device against the processor.
fn check<B: Backend>(device: &B, precisions: &[Precision]) -> Result<(), Failure> {
    let mut all = verify::operations(device)?;
    tell("operation, with gradients", &all);
    for precision in precisions {
        let families = verify::families(device, *precision)?;
        tell(&format!("a training step, {}", precision.word()), &families);
        all.extend(families);
    }
    let failed = all.iter().filter(|one| !one.passes()).count();
    if failed > 0 {
        let message = format!("{failed} of {} comparisons with the processor failed", all.len());
        let hint = "this is a defect of pleach or of the device; please report the lines above";
        return Err(Error::new(Kind::Stage, message).hint(hint).into());
    }
    output::stdout(&format!("all {} comparisons with the processor passed\n\n", all.len()));
    Ok(())
}

fn tell(what: &str, all: &[Compared]) {
    let width = all.iter().map(|one| one.what.chars().count()).chain([what.chars().count()]).max().unwrap_or_default();
    let mut text = format!("{what:width$}   error     bound     same bits twice\n");
    for one in all {
        let Compared { what, error, bound, repeats } = one;
        let word = if one.passes() { "" } else { "   FAILED" };
        let repeats = if *repeats { "yes" } else { "no" };
        text.push_str(&format!("{what:width$}   {error:<8.1e}  {bound:<8.1e}  {repeats}{word}\n"));
    }
    output::stdout(&(text + "\n"));
}

/// Images a second of the networks that are measured, in training and in inference.
fn speed<B: Backend>(device: &B, arguments: &arguments::Devices) -> Result<(), Failure> {
    let known = |asked: &&String| networks::NETWORKS.iter().any(|(name, _)| asked.eq_ignore_ascii_case(name));
    if let Some(unknown) = arguments.network.iter().find(|asked| !known(asked)) {
        let all: Vec<&str> = networks::NETWORKS.iter().map(|(name, _)| *name).collect();
        let error = Error::new(Kind::Usage, format!("no network `{unknown}` is measured"));
        return Err(error.hint(format!("there are {}", all.join(", "))).into());
    }
    let precisions = &arguments.precision;
    // PyTorch's layouts of values, with products as exact as f32 and rounded to TF32.
    let gpu = if B::NAME == "cpu" { "cpu" } else { "cuda" };
    let mut others: Vec<(&str, &str)> = vec![("nchw", gpu), ("channels-last", gpu)];
    if gpu == "cuda" {
        others.extend([("nchw", "cuda-tf32"), ("channels-last", "cuda-tf32")]);
    }
    let mut torch = torch(arguments);
    let mut head = format!("{:<28}", format!("images/s, batch {}", arguments.batch));
    precisions.iter().for_each(|precision| head.push_str(&format!("  {:>10}", precision.word())));
    if torch.is_ok() {
        others
            .iter()
            .for_each(|(variant, device)| head.push_str(&format!("  {:>24}", format!("PyTorch {variant}, {device}"))));
        head.push_str("  ratio in f32");
    }
    output::stdout(&(head + "\n"));
    let wanted = |name: &str| {
        arguments.network.is_empty() || arguments.network.iter().any(|asked| asked.eq_ignore_ascii_case(name))
    };
    for (name, _) in networks::NETWORKS.iter().filter(|(name, _)| wanted(name)) {
        let model = Model::initialise(networks::graph(name)?, 0)?;
        for mode in [Mode::Training, Mode::Inference] {
            let mut line = format!("{:<28}", format!("{name}, {}", mode.name()));
            let mut own = f64::NAN;
            for precision in precisions {
                let mut work = Work::new(&model, arguments.batch, *precision, device)?;
                let rate = work.images_per_second(mode == Mode::Training, arguments.seconds)?;
                if precision.is_f32() {
                    own = rate;
                }
                line.push_str(&format!("  {rate:>10.0}"));
            }
            if let Ok(side) = &mut torch {
                let mut best = f64::NAN;
                for (variant, device) in &others {
                    let request = Request {
                        network: (*name).to_owned(),
                        variant: (*variant).to_owned(),
                        device: (*device).to_owned(),
                        mode,
                        threads: rayon::current_num_threads(),
                        batch: arguments.batch,
                        seconds: arguments.seconds,
                    };
                    let rate = side.ask(&request).map(|measured| measured.images_per_second);
                    if *device == gpu {
                        best = best.max(*rate.as_ref().unwrap_or(&f64::NAN));
                    }
                    let cell = rate.map_or_else(|error| error.chars().take(24).collect(), |rate| format!("{rate:.0}"));
                    line.push_str(&format!("  {cell:>24}"));
                }
                line.push_str(&format!("  {:>12.2}", own / best));
            }
            output::stdout(&(line + "\n"));
        }
    }
    if let Err(why) = torch {
        output::stdout(&format!("PyTorch is not beside it: {why}\n"));
    }
    Ok(())
}

/// A process with PyTorch that answers.
fn torch(arguments: &arguments::Devices) -> Result<Side, String> {
    let python = arguments.python.as_deref().unwrap_or("python3".as_ref());
    let has = Command::new(python).args(["-c", "import torch, torchvision"]).output();
    let has = has.map_err(|error| format!("{} cannot be started: {error}", python.display()))?;
    if !has.status.success() {
        return Err(format!("{} has no PyTorch and torchvision; `--python` names another", python.display()));
    }
    Side::start(Command::new(python).args(["-c", PROGRAM]))
}
