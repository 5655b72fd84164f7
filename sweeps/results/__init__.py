"""The results root of a study: progress, collecting cubes, mirrors, verification."""
