//! Why a file did not open.

/// Why a file did not open, or could not be written.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum IoError {
    /// There are no bytes at all.
    #[error("{file} is empty: choose or download it again")]
    Empty {
        /// Name of the file.
        file: String,
    },
    /// Not one of the formats that open.
    #[error(
        "{file} looks like {looks_like}, which does not open here: {advice}. What opens: a chest \
         CT as DICOM (its files, or a .zip of them), NIfTI (.nii or .nii.gz), NRRD (.nrrd) or \
         MetaImage (.mha), or one axial slice as PNG or JPEG"
    )]
    UnknownFormat {
        /// Name of the file.
        file: String,
        /// What the content looks like.
        looks_like: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// The file ends before its data does.
    #[error(
        "{file} ends early: {needed} bytes are needed and {found} are there. It was probably cut \
         while it was copied or downloaded: get it again"
    )]
    Truncated {
        /// Name of the file.
        file: String,
        /// Bytes needed, after decompression.
        needed: u64,
        /// Bytes that are there (at most), after decompression.
        found: u64,
    },
    /// The file asks for more than the limits allow.
    #[error("{file} is too large: {size}, and the limit is {limit}. Crop or downsample it first")]
    TooLarge {
        /// Name of the file.
        file: String,
        /// What the file asks for.
        size: String,
        /// What is allowed.
        limit: String,
    },
    /// The memory for the voxels cannot be had.
    #[error(
        "{file} needs {bytes} bytes of memory, which this machine does not give: close other \
         programs or tabs, or crop the scan first"
    )]
    OutOfMemory {
        /// Name of the file.
        file: String,
        /// Bytes asked for.
        bytes: u64,
    },
    /// The compressed data is damaged.
    #[error("{file} is damaged, its compressed data does not unpack ({reason}): get it again")]
    Unpack {
        /// Name of the file.
        file: String,
        /// What the decoder says.
        reason: String,
    },
    /// A field of the header makes no sense.
    #[error("{file} has a broken {format} header: {field} {problem}. Export the file again")]
    Header {
        /// Name of the file.
        file: String,
        /// The format.
        format: &'static str,
        /// The field at fault, as the format's standard names it.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The voxels are not real numbers.
    #[error(
        "{file} holds {datatype} voxels (NIfTI datatype {code}), which cannot be HU: export it as \
         int16 or float32"
    )]
    Datatype {
        /// Name of the file.
        file: String,
        /// NIfTI code of the datatype.
        code: i32,
        /// Name of the datatype.
        datatype: &'static str,
    },
    /// More than one volume in the file.
    #[error("{file} holds {volumes} volumes (a 4D series): save the one to analyse as a 3D file")]
    Series {
        /// Name of the file.
        file: String,
        /// Number of volumes.
        volumes: u64,
    },
    /// A header whose voxels lie in another file.
    #[error(
        "{file} is a header without the voxels, which lie in another file: save the scan as a \
         single file (.nii.gz, .nrrd or .mha)"
    )]
    DetachedData {
        /// Name of the file.
        file: String,
    },
    /// A file read as a label map has values that are no labels.
    #[error("{file} is not a label map: it has the value {value}, and labels are 0 to 255")]
    NotLabels {
        /// Name of the file.
        file: String,
        /// The first such value.
        value: f64,
    },
    /// A PNG or JPEG that does not decode.
    #[error("{file} does not decode as an image ({reason}): export or download it again")]
    Image {
        /// Name of the file.
        file: String,
        /// What the decoder says.
        reason: String,
    },
    /// A picture could not be encoded.
    #[error("{file} cannot be written as PNG: {reason}")]
    ImageWrite {
        /// Name of the file.
        file: String,
        /// What the encoder says.
        reason: String,
    },
    /// A DICOM transfer syntax that is not decoded.
    #[error(
        "{file} is packed in a way that does not open here: DICOM transfer syntax {uid} ({name}). \
         Export the series uncompressed, or convert it, for example with dcmdjpeg or dcm2niix"
    )]
    TransferSyntax {
        /// Name of the file.
        file: String,
        /// Name of the transfer syntax.
        name: String,
        /// UID of the transfer syntax.
        uid: String,
    },
    /// The pixels of a DICOM image do not decode.
    #[error("the pixels of {file} do not decode: {reason}. Export or copy the series again")]
    Pixels {
        /// Name of the file.
        file: String,
        /// What is wrong with them.
        reason: String,
    },
    /// There are no CT slices in a list of files.
    #[error("{file} has no CT slices ({found}): choose the folder or .zip of one chest CT")]
    NoSeries {
        /// Name of the folder or archive.
        file: String,
        /// What is there instead.
        found: String,
    },
    /// The series asked for is not there.
    #[error("{file} has no series {uid}. What is there: {available}")]
    UnknownSeries {
        /// Name of the folder or archive.
        file: String,
        /// SeriesInstanceUID asked for.
        uid: String,
        /// The series that there are.
        available: String,
    },
    /// Slices leave gaps that are too wide to fill.
    #[error(
        "the slices of {file} do not make up one volume: {problem}. Slices are missing, or belong \
         to several scans: export the series again"
    )]
    Spacing {
        /// Name of the folder or archive.
        file: String,
        /// The distances.
        problem: String,
    },
    /// A zip archive that cannot be read.
    #[error("{file} does not unpack as a zip archive ({reason}): get it again, or unpack it first")]
    Archive {
        /// Name of the archive, with the entry at fault if there is one.
        file: String,
        /// What the reader says.
        reason: String,
    },
    /// A file or folder that the system does not let read.
    #[error("{file}: {reason}")]
    Unreadable {
        /// Path of the file or folder.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// A folder with more in it than one scan can have.
    #[error("{file} has more than {limit}: give the folder of one scan")]
    TooMany {
        /// The folder.
        file: String,
        /// What is allowed.
        limit: String,
    },
    /// Voxels in memory that cannot be a scan.
    #[error("{file} {problem}")]
    Array {
        /// What the voxels are called.
        file: String,
        /// What is wrong with them, and what to do.
        problem: String,
    },
    /// Several scans at once, which belong to different cases.
    #[error("{file} holds {count} scans or images that are no DICOM: open one at a time")]
    Several {
        /// Name of the folder or archive.
        file: String,
        /// Number of files.
        count: usize,
    },
}
