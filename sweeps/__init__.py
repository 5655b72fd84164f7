"""Study files, planning, single trials, Ray Tune and collecting cubes."""
