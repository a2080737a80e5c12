"""The version of this product; the wire contract has one of its own."""

VERSION = "0.1.0"
