module outcrop/tools/licences

go 1.26.0
