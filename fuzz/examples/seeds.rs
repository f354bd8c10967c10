//! Writes the seeds of each target to its corpus: `seeds corpus`.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = std::env::args_os().nth(1).ok_or("name a folder")?;
    for seed in pleura_fuzz::untrusted::seeds() {
        let folder = Path::new(&corpus).join(seed.target);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(&seed.name), &seed.bytes)?;
    }
    Ok(())
}
