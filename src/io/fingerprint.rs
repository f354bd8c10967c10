//! What an input is, whatever it is called: the hash that says that two are the same.

use super::sniff::{self, Kind};
use super::{File, opens};
use crate::weights::sha256;

/// An input by its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Number of files.
    pub files: usize,
    /// Their bytes together.
    pub bytes: u64,
    /// Of one file, an archive too: the SHA-256 of its bytes. Of several: the SHA-256 of their
    /// SHA-256, sorted, each as 64 lower-case hexadecimal digits and a line feed.
    pub sha256: String,
}

/// The fingerprint of what [`open_files`](super::open_files) is given. What lies beside a series is
/// no part of it: where there are DICOM files they alone count, else those that open by themselves.
/// So neither the names nor the order nor a note in the folder matter.
///
/// In a folder of DICOM files alone, `sha256sum * | cut -c-64 | LC_ALL=C sort | sha256sum` gives the
/// same.
pub fn fingerprint(files: &[File]) -> Fingerprint {
    let series = files
        .iter()
        .any(|file| sniff::kind(&file.bytes) == Kind::Dicom);
    let counts = |file: &&File| match series {
        true => sniff::kind(&file.bytes) == Kind::Dicom,
        false => opens(&file.bytes),
    };
    let mut part: Vec<&File> = files.iter().filter(counts).collect();
    if part.is_empty() {
        part = files.iter().collect();
    }
    let bytes = part.iter().map(|file| file.bytes.len() as u64).sum();
    let mut hashes: Vec<String> = part.iter().map(|file| sha256(&file.bytes)).collect();
    hashes.sort_unstable();
    let sha256 = match hashes.as_slice() {
        [one] => one.clone(),
        several => {
            let lines: String = several.iter().flat_map(|hash| [hash, "\n"]).collect();
            sha256(lines.as_bytes())
        }
    };
    Fingerprint {
        files: part.len(),
        bytes,
        sha256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn file(name: &str, bytes: &[u8]) -> File<'static> {
        File {
            name: name.to_owned(),
            bytes: Cow::Owned(bytes.to_vec()),
        }
    }

    /// The preamble and the magic are all that is looked at.
    fn dicom(content: u8) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        bytes.push(content);
        bytes
    }

    #[test]
    fn one_file_has_its_own_hash() {
        // Of "abc", as every SHA-256 has it.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let found = fingerprint(&[file("a.bin", b"abc")]);
        assert_eq!((found.files, found.bytes), (1, 3));
        assert_eq!(found.sha256, abc);
        assert_eq!(fingerprint(&[file("b.nii", b"abc")]), found);
    }

    #[test]
    fn a_series_is_its_dicom_files_in_any_order() {
        let (a, b) = (file("1", &dicom(1)), file("2", &dicom(2)));
        let found = fingerprint(&[a.clone(), b.clone()]);
        let mut lines = [sha256(&a.bytes), sha256(&b.bytes)];
        lines.sort();
        assert_eq!(
            found.sha256,
            sha256(format!("{}\n{}\n", lines[0], lines[1]).as_bytes())
        );
        let note = file("note.txt", b"seen by nobody");
        let truth = file("truth.nii.gz", b"\x1f\x8b packed");
        let turned = [file("other", &b.bytes), note, truth, a.clone()];
        assert_eq!(fingerprint(&turned), found);
        let alone = fingerprint(std::slice::from_ref(&a));
        assert_eq!(alone.sha256, sha256(&a.bytes));
        assert_ne!(alone, found);
        assert_ne!(fingerprint(&[a.clone(), a]), alone);
    }
}
