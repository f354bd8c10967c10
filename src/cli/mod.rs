//! The command line: thin over the library.
//!
//! Exit codes: 0 done, 1 something failed (one line for each on standard error), 2 usage.

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
    /// Train a network.
    #[cfg(feature = "train")]
    #[command(subcommand)]
    Train(train::Train),
}

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
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
