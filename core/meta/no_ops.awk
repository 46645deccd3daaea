# Prints, for the kernel family that a header declares, a class whose kernels do nothing:
#   template <>
#   class NoOps<CopyFamily> : public CopyFamily { ... };
# Reads the pure virtual functions of one class, all of which return nothing.

/^class [A-Za-z]+Family/ {
  family = $2
  print "template <>\nclass NoOps<" family "> : public " family " {\n public:"
}

family && /^ *virtual / && !/~/ { declaration = ""; open = 1 }

open {
  line = $0
  sub(/\/\/.*/, "", line)
  gsub(/^ +| +$/, "", line)
  declaration = declaration (declaration == "" ? "" : " ") line
}

open && /;/ {
  open = 0
  if (declaration !~ /^virtual void .*\) const = 0;$/) {
    print FILENAME ": expected a pure function that returns nothing: " declaration > "/dev/stderr"
    exit 1
  }
  sub(/^virtual /, "  ", declaration)
  sub(/ = 0;$/, " override {}", declaration)
  print declaration
}

family && /^};/ {
  print "};\n"
  family = ""
}
