//! Compiles the CUDA kernels when the feature `cuda` asks for them; does nothing otherwise.
//!
//! All `.cu` files under `src` become one image, which is embedded. `nvcc` is taken from the variable `NVCC`, from
//! `CUDA_PATH/bin` or from the search path. `PLEACH_CUDA_ARCHITECTURES` lists compute capabilities ("75,90"); by default it
//! is all of [`ARCHITECTURES`] that this `nvcc` can make. For the last of them PTX is embedded too, which later GPUs
//! translate. Without an `nvcc` the program still builds, and says when it is to use a GPU that it has no kernels.
//!
//! With the feature `emulated-cuda` the same files are compiled for the processor, by the C++ compiler in `CXX` or `c++`, as
//! a stand-in for the driver's library: for tests on machines without a GPU.

// What a crash leaves half written is written again: cargo knows that the script did not end.
#![allow(clippy::disallowed_methods)]

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Volta to Hopper.
const ARCHITECTURES: &str = "70,75,80,86,89,90";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return Ok(());
    }
    for variable in ["NVCC", "CUDA_PATH", "CXX", "PLEACH_CUDA_ARCHITECTURES"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("no CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    let mut sources = Vec::new();
    collect(&root.join("src/tensor"), &mut sources)?;
    sources.sort();
    let headers = root.join("src/tensor/cuda");
    println!("cargo::rerun-if-changed={}", headers.display());
    for file in &sources {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    let include = |source: &PathBuf| format!("#include \"{}\"\n", source.display());
    let all: String = sources.iter().map(include).collect();
    let image = out.join("kernels.fatbin");
    if env::var_os("CARGO_FEATURE_EMULATED_CUDA").is_some() {
        emulator(&out, &headers, &all)?;
        fs::write(image, "emulated")?;
    } else if let Some(nvcc) = find_nvcc() {
        let file = out.join("kernels.cu");
        fs::write(&file, all)?;
        let mut command = Command::new(&nvcc);
        command.args(["--fatbin", "-O3", "-std=c++17", "-Xfatbin", "-compress-all", "-I"]).arg(&headers);
        command.args(targets(&nvcc)?).arg("-o").arg(image).arg(file);
        run(&mut command)?;
    } else {
        println!("cargo::warning=there is no nvcc, so this build of pleach has no CUDA kernels; set NVCC or CUDA_PATH");
        fs::write(image, "")?;
    }
    Ok(())
}

/// All kernel files under a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "cu") {
            files.push(path);
        }
    }
    Ok(())
}

fn find_nvcc() -> Option<PathBuf> {
    let in_toolkit = || Some(PathBuf::from(env::var_os("CUDA_PATH")?).join("bin/nvcc"));
    let on_path =
        || env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join("nvcc")).find(|nvcc| nvcc.is_file());
    env::var_os("NVCC").map(PathBuf::from).or_else(|| in_toolkit().filter(|nvcc| nvcc.is_file())).or_else(on_path)
}

/// What `nvcc` is told about the GPUs to compile for.
fn targets(nvcc: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let known = Command::new(nvcc).arg("--list-gpu-code").output()?;
    let known = String::from_utf8(known.stdout)?;
    let asked = env::var("PLEACH_CUDA_ARCHITECTURES").ok();
    let wanted = asked.as_deref().unwrap_or(ARCHITECTURES).split([',', ';', ' ']).filter(|word| !word.is_empty());
    let is_known = |number: &&str| known.split_whitespace().any(|code| code.strip_prefix("sm_") == Some(number));
    let wanted: Vec<&str> = if asked.is_some() { wanted.collect() } else { wanted.filter(is_known).collect() };
    let last = wanted.last().ok_or("this nvcc compiles for no GPU that pleach knows; set PLEACH_CUDA_ARCHITECTURES")?;
    let mut targets: Vec<String> =
        wanted.iter().map(|number| format!("-gencode=arch=compute_{number},code=sm_{number}")).collect();
    targets.push(format!("-gencode=arch=compute_{last},code=compute_{last}"));
    Ok(targets)
}

/// The kernels for the processor, with a driver's interface around them.
fn emulator(out: &Path, headers: &Path, all: &str) -> Result<(), Box<dyn Error>> {
    let (file, library) = (out.join("emulated.cpp"), out.join("libcuda-emulated.so"));
    let driver = headers.join("emulator.cpp");
    fs::write(&file, format!("#include \"{}\"\n{all}", driver.display()))?;
    let compiler = env::var_os("CXX").unwrap_or_else(|| OsString::from("c++"));
    let mut command = Command::new(compiler);
    // Bits are compared between runs, not between compilers: no contraction of a product and a sum that nvcc might not do.
    command.args(["-std=c++17", "-O2", "-w", "-fPIC", "-shared", "-DPLEACH_EMULATED", "-I"]).arg(headers);
    command.arg("-o").arg(&library).arg(file);
    run(&mut command)?;
    println!("cargo::rustc-env=PLEACH_EMULATED_DRIVER={}", library.display());
    Ok(())
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}").into()) }
}
