//! `pleura bench`: speed and memory on this machine.

use super::heap;
use super::segment::models_folder;
use crate::engine::Engine;
use crate::nn::filter::{Packed, PackedShape};
use crate::nn::kernels::trace::{Layer, layers};
use crate::nn::kernels::{Activation, Kernels, conv_packed, cpu};
use crate::runner::{CPU, Models};
use crate::weights::{Entry, Network, Precision};
use burn::backend::Flex;
use burn::module::Param;
use burn::tensor::module::{conv_transpose3d, conv2d, conv3d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Distribution, Tensor, TensorData};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Subcommand)]
pub enum Bench {
    /// Every convolution of the networks: ours against burn's, and against what this machine can
    /// do at most.
    Layers(LayersArgs),
    /// Memory of every network while it runs; writes it into the manifest.
    Memory(MemoryArgs),
}

/// Arguments of `bench layers`.
#[derive(Args)]
pub struct LayersArgs {
    /// Where to run.
    #[arg(long, value_enum, default_value = "cpu")]
    device: Where,
    /// Threads on the CPU; all by default.
    #[arg(long)]
    threads: Option<usize>,
    /// Models folder.
    #[arg(long, env = "PLEURA_MODELS")]
    models: Option<PathBuf>,
    /// Writes the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Seconds for each layer and kernel.
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Where {
    /// The CPU.
    Cpu,
    /// The GPU through Vulkan, Metal or DirectX, also a software one.
    Gpu,
    /// An NVIDIA card (needs a build with the feature `cuda`).
    Cuda,
}

/// Arguments of `bench memory`.
#[derive(Args)]
pub struct MemoryArgs {
    /// Models folder.
    #[arg(long, env = "PLEURA_MODELS")]
    models: Option<PathBuf>,
    /// Only compare with the manifest; fails where a figure is off by more than a fifth.
    #[arg(long)]
    check: bool,
}

/// Runs a benchmark.
pub fn run(command: &Bench) -> Result<(), Box<dyn Error>> {
    match command {
        Bench::Memory(args) => memory(args),
        Bench::Layers(args) => {
            if let Some(threads) = args.threads {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build_global()?;
            }
            match args.device {
                Where::Cpu => compare::<Flex>(args, &Default::default(), CPU),
                #[cfg(feature = "wgpu")]
                Where::Gpu => {
                    let gpu = pollster::block_on(crate::gpu::open(true, 0))?;
                    compare::<burn::backend::Wgpu>(args, &gpu.device, &gpu.name)
                }
                #[cfg(feature = "cuda")]
                Where::Cuda => compare::<burn::backend::Cuda>(args, &Default::default(), "CUDA"),
                #[allow(unreachable_patterns)]
                _ => Err("this build lacks that device: build with --features wgpu or cuda".into()),
            }
        }
    }
}

/// Values of one input of a model.
fn input_len(entry: &Entry) -> usize {
    let extent: usize = entry.input.extent.iter().product();
    match entry.network {
        Network::Infnet => 3 * extent,
        Network::Classes => 6 * extent,
        Network::Normnet | Network::Lungs => extent,
    }
}

/// Loads a model's weights and runs it once on the CPU.
fn run_once(entry: &Entry, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut engine = Engine::<Flex>::new(Default::default());
    engine.load(entry, bytes)?;
    let input = vec![0.5; input_len(entry)];
    pollster::block_on(engine.forward(entry, &input))?;
    Ok(())
}

/// Notes what memory a model takes while it is loaded and run once on the CPU.
pub fn record_memory(entry: &mut Entry, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    entry.input.peak_bytes = None;
    entry.input.largest_bytes = None;
    // The first run also builds the thread pool and its scratch.
    run_once(entry, bytes)?;
    let (done, used) = heap::measure(|| run_once(entry, bytes));
    done?;
    if used.peak > 0 {
        entry.input.peak_bytes = Some(used.peak as u64);
        entry.input.largest_bytes = Some(used.largest as u64);
    }
    Ok(())
}

/// How far a measured figure may be from the manifest's.
const SLACK: f64 = 0.2;

fn memory(args: &MemoryArgs) -> Result<(), Box<dyn Error>> {
    let folder = models_folder(args.models.as_deref())?;
    let models = Models::open(&folder)?;
    let mut manifest = models.manifest().clone();
    let mut wrong = Vec::new();
    for entry in &mut manifest.models {
        let bytes = models.read(entry)?;
        let recorded = [entry.input.peak_bytes, entry.input.largest_bytes];
        record_memory(entry, &bytes)?;
        let found = [entry.input.peak_bytes, entry.input.largest_bytes];
        let mb = |bytes: Option<u64>| bytes.unwrap_or(0) as f64 / f64::from(1 << 20);
        let [peak, largest] = found.map(mb);
        println!(
            "{:24} peak {peak:7.1} MB, largest buffer {largest:6.1} MB",
            entry.name
        );
        let off =
            |(a, b): (Option<u64>, Option<u64>)| (mb(a) - mb(b)).abs() > SLACK * mb(a).max(mb(b));
        if recorded.into_iter().zip(found).any(off) {
            wrong.push(entry.name.clone());
        }
    }
    if args.check {
        return match wrong.is_empty() {
            true => Ok(()),
            false => Err(format!(
                "the manifest's figures are off for {}: run `pleura bench memory`",
                wrong.join(", ")
            )
            .into()),
        };
    }
    let path = folder.join("manifest.json");
    super::segment::write(&path, manifest.to_json()?.as_bytes())
}

/// A network's name, one of its convolutions, and how often a run has it.
type Counted = (String, Layer, usize);

/// The different convolutions of the shipped networks, with how often each is run.
fn shipped_layers(args: &LayersArgs) -> Result<Vec<Counted>, Box<dyn Error>> {
    let models = Models::open(&models_folder(args.models.as_deref())?)?;
    let manifest = models.manifest();
    let mut found: Vec<Counted> = Vec::new();
    for network in [Network::Normnet, Network::Infnet, Network::Classes] {
        let Some(entry) = manifest
            .of_network(network)
            .find(|e| e.precision == Precision::Int8)
        else {
            continue;
        };
        let bytes = models.read(entry)?;
        let (done, list) = layers(|| run_once(entry, &bytes));
        done?;
        for layer in list {
            let known = found
                .iter_mut()
                .find(|(name, l, _)| *name == network.name() && *l == layer);
            match known {
                Some((.., times)) => *times += 1,
                None => found.push((network.name().into(), layer, 1)),
            }
        }
    }
    Ok(found)
}

/// The median seconds of a piece of work that ends with `wait`.
fn median(budget: f64, mut work: impl FnMut()) -> f64 {
    work();
    let mut times = Vec::new();
    let begun = Instant::now();
    while times.len() < 5 || begun.elapsed() < Duration::from_secs_f64(budget) {
        let start = Instant::now();
        work();
        times.push(start.elapsed().as_secs_f64());
        if times.len() >= 3 && begun.elapsed() > Duration::from_secs_f64(20.0 * budget) {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Makes the device finish: one value is read back.
fn settle<B: Kernels, const D: usize>(y: Tensor<B, D>) {
    let first = y.flatten::<1>(0, D - 1).narrow(0, 0, 1);
    // What is read is of no interest.
    let _ = first.into_data();
}

/// Seconds of a layer with our packed kernel, and with burn's convolution on the same weights.
fn time_layer<B: Kernels>(layer: &Layer, device: &B::Device, budget: f64) -> [f64; 2] {
    let g = &layer.geometry;
    let (co, ci) = match layer.transposed {
        true => (g.channels_in, g.channels_out),
        false => (g.channels_out, g.channels_in),
    };
    let shape = match layer.transposed {
        true => vec![ci, co, g.kernel[0], g.kernel[1], g.kernel[2]],
        false => vec![co, g.in_group(), g.kernel[0], g.kernel[1], g.kernel[2]],
    };
    let count: usize = shape.iter().product();
    let codes: Vec<i8> = (0..count).map(|i| (i * 37 % 255) as u8 as i8).collect();
    let float: Vec<f32> = codes.iter().map(|&c| f32::from(c)).collect();
    let packed = PackedShape {
        geometry: g.clone(),
        transposed: layer.transposed,
        shape: shape.clone(),
    };
    let words = B::arrange(&packed, &codes);
    let scale = Param::from_tensor(Tensor::ones([co], device));
    let weights = Packed::<B>::new(words, scale, device);
    let bias = Tensor::<B, 1>::zeros([co], device);
    let extent = if layer.transposed { g.output } else { g.input };
    let x = Tensor::<B, 5>::random(
        [g.batch, ci, extent[0], extent[1], extent[2]],
        Distribution::Uniform(-1.0, 1.0),
        device,
    );
    let large = layer.transposed.then_some(g.input);
    let ours = median(budget, || {
        settle(conv_packed(
            g,
            large,
            x.clone(),
            &weights,
            bias.clone(),
            None,
            Activation::None,
        ));
    });
    let weight = Tensor::<B, 5>::from_data(TensorData::new(float, shape.clone()), device);
    let plane = |[_, h, w]: [usize; 3]| [h, w];
    let theirs = median(budget, || {
        if layer.transposed {
            let out = std::array::from_fn(|a| {
                g.input[a] + 2 * g.padding[a]
                    - ((extent[a] - 1) * g.stride[a] + g.dilation[a] * (g.kernel[a] - 1) + 1)
            });
            let o = ConvTransposeOptions::new(g.stride, g.padding, out, g.dilation, 1);
            settle(conv_transpose3d(
                x.clone(),
                weight.clone(),
                Some(bias.clone()),
                o,
            ));
        } else if extent[0] == 1 && g.kernel[0] == 1 {
            let flat = x.clone().reshape([g.batch, ci, extent[1], extent[2]]);
            let weight = weight
                .clone()
                .reshape([co, g.in_group(), g.kernel[1], g.kernel[2]]);
            let o = ConvOptions::new(
                plane(g.stride),
                plane(g.padding),
                plane(g.dilation),
                g.groups,
            );
            settle(conv2d(flat, weight, Some(bias.clone()), o));
        } else {
            let o = ConvOptions::new(g.stride, g.padding, g.dilation, g.groups);
            settle(conv3d(x.clone(), weight.clone(), Some(bias.clone()), o));
        }
    });
    [ours, theirs]
}

fn compare<B: Kernels>(
    args: &LayersArgs,
    device: &B::Device,
    name: &str,
) -> Result<(), Box<dyn Error>> {
    let list = shipped_layers(args)?;
    let peak = (args.device == Where::Cpu).then(cpu::peak::measure);
    if let Some(peak) = peak {
        println!(
            "peak of this machine: {:.1} GFLOP/s, {:.1} GB/s on {} threads\n",
            peak.flops / 1e9,
            peak.bytes / 1e9,
            rayon::current_num_threads()
        );
    }
    println!(
        "| network | layer | times | ms | GFLOP/s | GB/s | of the roofline | burn ms | faster |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    let mut totals: Vec<(String, [f64; 2])> = Vec::new();
    for (network, layer, times) in list {
        let [ours, theirs] = time_layer::<B>(&layer, device, args.seconds);
        let (flops, bytes) = (2.0 * layer.products() as f64, layer.bytes() as f64);
        let roof = peak.map(|peak| (flops / peak.flops).max(bytes / peak.bytes) / ours);
        let share = roof.map_or("".into(), |share| format!("{:.0} %", 100.0 * share));
        println!(
            "| {network} | {} | {times} | {:.3} | {:.1} | {:.1} | {share} | {:.3} | {:.2} × |",
            layer.name(),
            1e3 * ours,
            flops / ours / 1e9,
            bytes / ours / 1e9,
            1e3 * theirs,
            theirs / ours,
        );
        rows.push(json!({
            "network": network, "layer": layer.name(), "times": times,
            "seconds": ours, "burn_seconds": theirs,
            "flops": flops, "bytes": bytes, "roofline_share": roof,
        }));
        let count = times as f64;
        match totals.iter_mut().find(|(n, _)| *n == network) {
            Some((_, [a, b])) => (*a, *b) = (*a + ours * count, *b + theirs * count),
            None => totals.push((network, [ours * count, theirs * count])),
        }
    }
    println!("\n| all convolutions of | ms | burn ms | faster |\n|---|---|---|---|");
    for (network, [ours, theirs]) in &totals {
        println!(
            "| {network} | {:.1} | {:.1} | {:.2} × |",
            1e3 * ours,
            1e3 * theirs,
            theirs / ours
        );
    }
    if let Some(path) = &args.json {
        let peak: Value = peak.map_or(Value::Null, |p| json!({"flops": p.flops, "bytes": p.bytes}));
        let all = json!({
            "device": name, "threads": rayon::current_num_threads(), "peak": peak, "layers": rows,
        });
        super::segment::write(path, serde_json::to_string_pretty(&all)?.as_bytes())?;
    }
    Ok(())
}
