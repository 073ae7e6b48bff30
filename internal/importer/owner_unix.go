//go:build unix

package importer

import (
	"io/fs"
	"os"
	"syscall"
)

// own gives a new file the owner and group of the one whose place it takes: what root writes, the server must
// still be able to read.
func own(f *os.File, before fs.FileInfo) error {
	if before == nil {
		return nil
	}
	was, ok := before.Sys().(*syscall.Stat_t)
	if !ok || int(was.Uid) == os.Geteuid() && int(was.Gid) == os.Getegid() {
		return nil
	}
	err := f.Chown(int(was.Uid), int(was.Gid))
	if os.Geteuid() != 0 { // only root may
		return nil
	}
	return err
}
