//! Placeholder of the seam commit.
