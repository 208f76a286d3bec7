//! Which devices there are to compute on, and which of them are to be used.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Kind, Result};

/// What a user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// All GPUs, or the processor where there is none.
    Auto,
    /// The processor.
    Cpu,
    /// All GPUs, or the one with this number.
    Cuda(Option<usize>),
}

impl FromStr for Choice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(None)),
            _ => match text.strip_prefix("cuda:").and_then(|number| number.parse().ok()) {
                Some(number) => Ok(Self::Cuda(Some(number))),
                None => Err(Error::new(Kind::Usage, format!("there is no device `{text}`"))
                    .hint("it can be `auto`, `cpu`, `cuda` for every GPU, or `cuda:0` for the first")),
            },
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Cuda(Some(number)) => write!(f, "cuda:{number}"),
        }
    }
}

/// A GPU that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Its number, from 0.
    pub ordinal: usize,
    /// Its name, such as "NVIDIA H100 80GB HBM3".
    pub name: String,
}

/// What one stage computes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// The processor, which stages share.
    Cpu,
    /// A GPU, which does one stage at a time.
    Cuda(Gpu),
}

impl fmt::Display for Device {
    /// As records and messages call it: `cpu`, or `cuda: ` and the GPU's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(gpu) => write!(f, "cuda: {}", gpu.name),
        }
    }
}

impl Device {
    /// Whether results are the same bits on every device of this kind. Those of GPUs are the same on the same GPU, but
    /// another one may add in another order.
    pub fn repeats(&self) -> bool {
        *self == Self::Cpu
    }
}

/// What a run computes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    /// The GPUs; stages share the processor if there are none.
    pub gpus: Vec<Gpu>,
    /// Why there are none, if they were looked for.
    pub absent: Option<String>,
}

impl Choice {
    /// The devices that are there for this choice.
    ///
    /// # Errors
    /// [`Kind::Usage`] when a GPU was asked for and cannot be had.
    pub fn find(self) -> Result<Devices> {
        match self {
            Self::Cpu => Ok(Devices::default()),
            Self::Auto | Self::Cuda(_) => self.among(look()),
        }
    }

    fn among(self, gpus: Result<Vec<Gpu>, Absent>) -> Result<Devices> {
        let refused = |message: &str| Error::new(Kind::Usage, format!("`--device {self}`: {message}"));
        let mut gpus = match (self, gpus) {
            (Self::Cpu, _) | (Self::Auto, Err(Absent::NotBuilt)) => return Ok(Devices::default()),
            (Self::Auto, Err(Absent::Why(why))) => return Ok(Devices { gpus: Vec::new(), absent: Some(why) }),
            (Self::Cuda(_), Err(Absent::NotBuilt)) => {
                return Err(refused("this pleach was built without CUDA").hint(
                    "`cargo build --release --features cuda` makes one with it; without `--device` it runs on the CPU",
                ));
            }
            (Self::Cuda(_), Err(Absent::Why(why))) => {
                return Err(refused(&why).hint("without `--device` it runs on the CPU"));
            }
            (_, Ok(gpus)) => gpus,
        };
        if let Self::Cuda(Some(ordinal)) = self {
            let all: Vec<String> = gpus.iter().map(|gpu| format!("cuda:{} ({})", gpu.ordinal, gpu.name)).collect();
            gpus.retain(|gpu| gpu.ordinal == ordinal);
            if gpus.is_empty() {
                return Err(refused("there is no such GPU").hint(format!("there are {}", all.join(", "))));
            }
        }
        Ok(Devices { gpus, absent: None })
    }
}

/// Why there is no GPU.
#[derive(Debug)]
enum Absent {
    /// This program cannot use any.
    #[cfg_attr(feature = "cuda", allow(dead_code, reason = "this one can"))]
    NotBuilt,
    /// The driver's or the GPU's fault.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "none is looked for"))]
    Why(String),
}

#[cfg(feature = "cuda")]
fn look() -> Result<Vec<Gpu>, Absent> {
    let found = super::cuda::found().map_err(|absent| Absent::Why(absent.to_string()))?;
    Ok(found.into_iter().map(|found| Gpu { ordinal: found.ordinal, name: found.name }).collect())
}

#[cfg(not(feature = "cuda"))]
fn look() -> Result<Vec<Gpu>, Absent> {
    Err(Absent::NotBuilt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus() -> Vec<Gpu> {
        ["Large", "Small"].into_iter().enumerate().map(|(ordinal, name)| Gpu { ordinal, name: name.into() }).collect()
    }

    /// An error with its hints.
    fn told<T: fmt::Debug>(result: Result<T>) -> String {
        let error = result.unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
        format!("{error}\n{}", error.hints.join("\n"))
    }

    #[test]
    fn choices_are_read_and_written() {
        for text in ["auto", "cpu", "cuda", "cuda:0", "cuda:12"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        for text in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            assert!(text.parse::<Choice>().is_err(), "{text}");
        }
        insta::assert_snapshot!(told("abacus".parse::<Choice>()), @"
        there is no device `abacus`
        it can be `auto`, `cpu`, `cuda` for every GPU, or `cuda:0` for the first
        ");
    }

    #[test]
    fn gpus_are_all_or_the_one_asked_for() {
        let found = |choice: Choice| choice.among(Ok(gpus())).unwrap().gpus;
        assert_eq!(found(Choice::Auto), gpus());
        assert_eq!(found(Choice::Cuda(None)), gpus());
        assert_eq!(found(Choice::Cuda(Some(1))), gpus()[1..]);
        assert_eq!(found(Choice::Cpu), []);
        insta::assert_snapshot!(told(Choice::Cuda(Some(2)).among(Ok(gpus()))), @"
        `--device cuda:2`: there is no such GPU
        there are cuda:0 (Large), cuda:1 (Small)
        ");
    }

    #[test]
    fn without_a_gpu_auto_is_the_processor_and_cuda_says_why_not() {
        let absent = || Err(Absent::Why("the NVIDIA driver sees no GPU".into()));
        assert_eq!(Choice::Auto.among(Err(Absent::NotBuilt)).unwrap(), Devices::default());
        let found = Choice::Auto.among(absent()).unwrap();
        assert_eq!((found.gpus.len(), found.absent.as_deref()), (0, Some("the NVIDIA driver sees no GPU")));
        assert_eq!(Choice::Cpu.find().unwrap(), Devices::default());
        insta::assert_snapshot!(told(Choice::Cuda(None).among(absent())), @"
        `--device cuda`: the NVIDIA driver sees no GPU
        without `--device` it runs on the CPU
        ");
        insta::assert_snapshot!(told(Choice::Cuda(Some(0)).among(Err(Absent::NotBuilt))), @"
        `--device cuda:0`: this pleach was built without CUDA
        `cargo build --release --features cuda` makes one with it; without `--device` it runs on the CPU
        ");
    }

    #[test]
    fn names_are_those_of_records() {
        assert_eq!(Device::Cpu.to_string(), "cpu");
        assert_eq!(Device::Cuda(gpus()[0].clone()).to_string(), "cuda: Large");
        assert!(Device::Cpu.repeats() && !Device::Cuda(gpus()[0].clone()).repeats());
    }
}
