//! The command line; see [`pleura::cli`].

fn main() -> std::process::ExitCode {
    pleura::cli::run()
}
