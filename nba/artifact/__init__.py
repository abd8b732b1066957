"""Bundles on disk: plain bytes, checked before they are read.

A bundle is a folder of ``manifest.json`` and one ``<name>.npy`` an array: no archive, no pickle, no code.
The manifest lists every file with its SHA-256, size, dtype and shape; a bundle's digest is the SHA-256 of the
manifest's bytes. Whoever can rewrite a whole bundle can also recompute every hash in it: only a digest kept
elsewhere and handed to `load` tells such a forgery apart.
"""

from __future__ import annotations

from nba.artifact.canonical import canonical_json, digest, plain_digest
from nba.artifact.layout import FORMAT, under
from nba.artifact.loading import load
from nba.artifact.saving import save

__all__ = ["FORMAT", "canonical_json", "digest", "load", "plain_digest", "save", "under"]
