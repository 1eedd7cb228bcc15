//! The report file: a place in the workspace is taken before anything happens, and the document
//! there is replaced atomically from then on.
