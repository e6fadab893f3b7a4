"""What users pass: data, missing rows and functions, read and checked before a fit."""
