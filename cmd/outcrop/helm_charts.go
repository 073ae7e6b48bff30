package main

import (
	"embed"
	"io/fs"
)

// charts are the files of the charts in the binary.
func charts() fs.FS { return embed.FS{} }
