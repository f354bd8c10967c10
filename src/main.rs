//! The command line; see [`pleura::cli`].

/// Counted, for the commands that measure memory.
#[global_allocator]
static HEAP: pleura::cli::heap::Counted = pleura::cli::heap::Counted;

fn main() -> std::process::ExitCode {
    pleura::cli::run()
}
