//! Which cases there are in what was named: one in a scan, many in a cohort.
//!
//! A file is a case. So is a folder that DICOM files lie in, with all that is in its folders. A folder
//! of other folders and files is a cohort: each of them is a case, or again a cohort. But a folder
//! is one case where there is only one in it, and where all that is in it is DICOM of one
//! examination (StudyInstanceUID), as in an export with a folder for each series.

use crate::io::path::{self, MAX_DEPTH};
use crate::io::{self, Limits, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A scan or a slice to analyse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What its results are called after.
    pub name: String,
    /// The file or folder.
    pub path: PathBuf,
    /// Whether it was found in a folder, not named.
    pub found: bool,
}

/// A case inside a folder.
struct Unit {
    path: PathBuf,
    /// What names it: the file, or a folder that holds nothing else.
    named: PathBuf,
    dicom: bool,
    /// The examination of DICOM files; absent where they do not tell.
    study: Option<String>,
}

/// The cases of all inputs: in the order of these, those of a folder by their paths. `whole` takes
/// every folder for one case. What lies in the folder `out`, where results go, is no case.
///
/// # Errors
/// If a folder cannot be read, or two cases would have the same name.
pub fn find(inputs: &[PathBuf], whole: bool, out: &Path) -> Result<Vec<Case>, Box<dyn Error>> {
    let out = out.canonicalize().ok();
    let mut cases = Vec::new();
    for input in inputs {
        let units = match input.is_dir() && !whole {
            true => units(input, 0, out.as_deref())?,
            false => Vec::new(),
        };
        if units.len() < 2 {
            cases.push(Case {
                name: io::case_name(&path::name(input)),
                path: input.clone(),
                found: false,
            });
            continue;
        }
        if out.is_some() && input.canonicalize().ok() == out {
            let folder = input.display();
            return Err(format!(
                "--out is {folder}, the folder of the scans: results would lie among them, and be \
                 taken for scans the next time; give another folder"
            )
            .into());
        }
        cases.extend(units.into_iter().map(|unit| Case {
            name: name(input, &unit.named),
            path: unit.path,
            found: true,
        }));
    }
    let mut seen = BTreeMap::new();
    for case in &cases {
        if let Some(before) = seen.insert(&case.name, &case.path) {
            let (a, b, name) = (before.display(), case.path.display(), &case.name);
            return Err(format!("{a} and {b} would both be called {name}: rename one").into());
        }
    }
    Ok(cases)
}

/// The way to a case inside the cohort's folder, in one word.
fn name(cohort: &Path, case: &Path) -> String {
    let inside = case.strip_prefix(cohort).unwrap_or(case);
    let parts = inside.iter().map(|part| part.to_string_lossy());
    io::case_name(&parts.collect::<Vec<_>>().join("_"))
}

fn units(folder: &Path, depth: usize, out: Option<&Path>) -> Result<Vec<Unit>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut folders = Vec::new();
    for (path, is_folder) in path::entries(folder)? {
        if is_folder {
            folders.push(path);
            continue;
        }
        match io::role(&beginning(&path)?) {
            Role::Part => {
                return Ok(vec![Unit {
                    path: folder.to_path_buf(),
                    named: folder.to_path_buf(),
                    dicom: true,
                    study: study(&path)?,
                }]);
            }
            Role::Whole => found.push(Unit {
                named: path.clone(),
                path,
                dicom: false,
                study: None,
            }),
            Role::Other => {}
        }
    }
    for inside in folders {
        let own = out.is_some_and(|out| inside.canonicalize().is_ok_and(|path| path == *out));
        if own || depth >= MAX_DEPTH {
            continue;
        }
        let mut units = units(&inside, depth + 1, out)?;
        if let [only] = units.as_mut_slice() {
            only.named.clone_from(&inside);
            if only.dicom {
                only.path = inside;
            }
        }
        found.extend(units);
    }
    let studies: BTreeSet<&String> = found
        .iter()
        .filter_map(|unit| unit.study.as_ref())
        .collect();
    if found.len() > 1 && found.iter().all(|unit| unit.dicom) && studies.len() < 2 {
        let study = studies.first().map(|study| study.to_string());
        return Ok(vec![Unit {
            path: folder.to_path_buf(),
            named: folder.to_path_buf(),
            dicom: true,
            study,
        }]);
    }
    found.sort_by(|a, b| a.named.cmp(&b.named));
    Ok(found)
}

fn beginning(path: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    let failed = |e: std::io::Error| format!("{}: {e}", path.display());
    let file = File::open(path).map_err(failed)?;
    let mut head = file.take(io::HEAD as u64);
    head.read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn study(path: &Path) -> Result<Option<String>, Box<dyn Error>> {
    let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(io::dicom::study(&bytes, &Limits::default()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use tempfile::TempDir;

    const NIFTI: &[u8] = b"\x1f\x8b packed";
    const NOTE: &[u8] = b"seen by nobody";

    /// A DICOM file that says of which study it is, and nothing else.
    fn dicom(study: &str) -> Vec<u8> {
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        for (tag, value) in [
            ([2, 0, 0x10, 0], "1.2.840.10008.1.2.1"),
            ([0x20, 0, 0x0d, 0], study),
        ] {
            let even = value.len().next_multiple_of(2);
            bytes.extend(tag);
            bytes.extend(b"UI");
            bytes.extend((even as u16).to_le_bytes());
            bytes.extend(value.bytes());
            bytes.resize(bytes.len() + even - value.len(), 0);
        }
        bytes
    }

    /// The cases in a folder of these files: name and path inside.
    fn found(files: &[(&str, &[u8])]) -> Vec<(String, String)> {
        let (folder, cases) = searched(files, "out");
        let root = folder.path();
        let inside = |path: &Path| {
            let inside = path.strip_prefix(root).unwrap().to_string_lossy();
            inside.replace('\\', "/")
        };
        let cases = cases.unwrap();
        cases
            .iter()
            .map(|c| (c.name.clone(), inside(&c.path)))
            .collect()
    }

    type Found = Result<Vec<Case>, Box<dyn Error>>;

    fn searched(files: &[(&str, &[u8])], out: &str) -> (TempDir, Found) {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let root = folder.path();
        let cases = find(&[root.to_path_buf()], false, &root.join(out));
        (folder, cases)
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .collect()
    }

    #[test]
    fn scans_and_series_beside_each_other_are_cases() {
        let (a, b) = (dicom("1.1"), dicom("1.2"));
        let cases = found(&[
            ("c.nii.gz", NIFTI),
            ("a/IM1", &a),
            ("a/IM2", &a),
            ("b/study/series/IM1", &b),
            ("d/scan.nii.gz", NIFTI),
            ("d/read me.txt", NOTE),
            ("site 1/x.nii.gz", NIFTI),
            ("site 1/y.zip", b"PK\x03\x04"),
            (".hidden/z.nii.gz", NIFTI),
            ("out/c_lungs.nii.gz", NIFTI),
        ]);
        let expected = [
            ("a", "a"),
            ("b", "b"),
            ("c", "c.nii.gz"),
            ("d", "d/scan.nii.gz"),
            ("site 1_x", "site 1/x.nii.gz"),
            ("site 1_y", "site 1/y.zip"),
        ];
        assert_eq!(cases, pairs(&expected));
    }

    #[test]
    fn one_examination_is_one_case() {
        let (one, other, unknown) = (dicom("1.1"), dicom("1.2"), dicom(""));
        let root = |files: &[(&str, &[u8])]| {
            let found = found(files);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].1, "", "{found:?}");
        };
        root(&[("IM1", &one), ("IM2", &other), ("more/IM3", &other)]);
        root(&[("S1/IM1", &one), ("S2/IM1", &one), ("README.TXT", NOTE)]);
        root(&[("S1/IM1", &one), ("report/SR", &unknown)]);
        root(&[("scan.nii.gz", NIFTI), ("read me.txt", NOTE)]);
        root(&[("deep/er/IM1", &one)]);
        root(&[("note.txt", NOTE)]);
        let patients = found(&[
            ("p1/first/S1/IM1", &one),
            ("p1/first/S2/IM1", &one),
            ("p2/first/S1/IM1", &other),
            ("p2/second/S1/IM1", &one),
        ]);
        let expected = [
            ("p1", "p1"),
            ("p2_first", "p2/first"),
            ("p2_second", "p2/second"),
        ];
        assert_eq!(patients, pairs(&expected));
    }

    #[test]
    fn results_have_a_name_and_a_place_of_their_own() {
        let twice: [(&str, &[u8]); 2] = [("x.nii.gz", NIFTI), ("x/scan.nii", NIFTI)];
        let text = searched(&twice, "out").1.unwrap_err().to_string();
        assert!(
            text.contains("x.nii.gz") && text.contains("scan.nii"),
            "{text}"
        );
        let cohort: [(&str, &[u8]); 2] = [("x.nii.gz", NIFTI), ("y.nii.gz", NIFTI)];
        let text = searched(&cohort, ".").1.unwrap_err().to_string();
        assert!(text.contains("--out"), "{text}");
        // One scan may have its results beside it.
        assert_eq!(searched(&cohort[..1], ".").1.unwrap().len(), 1);
    }

    #[test]
    fn a_named_series_is_looked_for_in_the_whole_folder() {
        let (folder, _) = searched(&[("a/IM1", &dicom("1.1")), ("b/IM1", &dicom("1.2"))], "out");
        let root = folder.path().to_path_buf();
        assert_eq!(
            find(std::slice::from_ref(&root), true, Path::new("out"))
                .unwrap()
                .len(),
            1
        );
        assert_eq!(find(&[root], false, Path::new("out")).unwrap().len(), 2);
    }
}
