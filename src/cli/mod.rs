//! The command line: thin over the library.
//!
//! Exit codes: 0 done, 1 something failed (one line for each on standard error), 2 usage.

mod batch;
mod bench;
mod cases;
mod device;
mod evaluate;
mod follow;
pub mod heap;
mod input;
#[cfg(feature = "train")]
mod lesions;
#[cfg(feature = "train")]
mod pack;
mod phantom;
#[cfg(feature = "train")]
mod prepare;
mod replay;
mod segment;
mod serve;
mod session;
mod table;
#[cfg(feature = "train")]
mod train;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Lung infection in chest CT. Research and teaching, not for diagnosis.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find lungs and infection in scans and slices.
    Segment(segment::SegmentArgs),
    /// Do an analysis again from its run manifest, and say whether it gives the same.
    Replay(replay::ReplayArgs),
    /// Compare the reports of one patient from several days.
    Follow(follow::FollowArgs),
    /// Measure a network against truth.
    #[command(subcommand)]
    Evaluate(evaluate::Evaluate),
    /// Make a chest phantom: the demo case, with its truth masks.
    Phantom(phantom::PhantomArgs),
    /// Draw synthetic lesions on slices of a scan, or of the phantom.
    #[cfg(feature = "train")]
    Lesions(lesions::LesionsArgs),
    /// Serve the built page on this computer.
    Serve(serve::ServeArgs),
    /// Measure speed and memory on this machine.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Pack trained weights for the models folder and list them in its manifest.
    #[cfg(feature = "train")]
    Pack(pack::PackArgs),
    /// Put the healthy scans into one small file to train from elsewhere.
    #[cfg(feature = "train")]
    Prepare(prepare::PrepareArgs),
    /// Train a network.
    #[cfg(feature = "train")]
    #[command(subcommand)]
    Train(train::Train),
}

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Segment(args) => segment::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Follow(args) => follow::run(&args),
        Command::Evaluate(command) => evaluate::run(&command),
        Command::Phantom(args) => phantom::run(&args),
        #[cfg(feature = "train")]
        Command::Lesions(args) => lesions::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Bench(command) => bench::run(&command),
        #[cfg(feature = "train")]
        Command::Pack(args) => pack::run(&args),
        #[cfg(feature = "train")]
        Command::Prepare(args) => prepare::run(&args),
        #[cfg(feature = "train")]
        Command::Train(command) => train::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pleura: {error}");
            ExitCode::FAILURE
        }
    }
}
