//! Both networks on the CPU, and how much of the lungs each of them marks:
//! `cargo run --release --example segment -- scan.nii.gz models`

use pleura::analysis::{Analysis, Options};
use pleura::engine::Budget;
use pleura::io::Limits;
use pleura::runner::{Device, Models, Runner};
use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let scan = arguments.next().ok_or("usage: segment SCAN [MODELS]")?;
    let models = arguments.next().unwrap_or_else(|| "models".into());

    let models = Models::open(Path::new(&models))?;
    let runner = Runner::open(models, Device::Cpu, Budget::default())?;
    let scan = Path::new(&scan);
    let analysis = Analysis::open_path(scan, None, Options::default(), &Limits::default())?;
    let outcome = runner.run(analysis, &mut |step| {
        eprint!("\r{:3.0} %  {:40}", step.part * 100.0, step.label);
        ControlFlow::Continue(())
    })?;
    eprintln!();

    let findings = outcome.findings.ok_or("a picture has no measures")?;
    for warning in &findings.warnings {
        println!("warning: {}", warning.text);
    }
    println!("lungs: {:.0} ml", findings.both.lung_ml);
    for (name, affected) in [
        ("NormNet", findings.both.normnet),
        ("Inf-Net", findings.both.infnet),
    ] {
        let lesion = affected.ok_or("a network did not run")?.lesion;
        let percent = lesion.percent.ok_or("there are no lungs")?;
        println!("{name}: {percent:.2} % of the lungs, {:.1} ml", lesion.ml);
    }
    Ok(())
}
