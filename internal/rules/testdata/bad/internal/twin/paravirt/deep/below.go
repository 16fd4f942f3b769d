package deep // want generated: is not generated
