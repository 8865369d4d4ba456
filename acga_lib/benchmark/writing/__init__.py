"""Which scenes are taken, and the folders they become: A2D, J-HMDB and ReferIt layouts."""
